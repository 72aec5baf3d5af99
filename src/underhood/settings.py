"""Settings: frozen pydantic models that forbid what they don't know and explain what is wrong, all at once.

    class OptimizerSettings(Settings):
        name: str = "sgd"
        lr: float = 0.01

Settings are the *what* of a trial: all that may change its numbers. How it runs (workers, checkpoint interval,
progress) is never a setting.
"""
