"""What a large run costs to read: `python -m benchmarks.large_store [--trials 5000] [--epochs 100] [--keep FOLDER]`.

A sweep of `trials` trainings in settings of 5 seeds, a hundredth of which diverged and as many failed, is written as
the laboratory stores it, with curves that a formula makes. Then, each as one types it, in a process of its own:

    report     underhood report sweep-quick           to HTML, and the size of the page
    list       underhood runs ls, the first time and again; underhood runs show sweep-quick
    view       the page's questions, to a server that has read the folder: the median and the slowest of 20
    scrolling  the live page and the report in Chromium, by wheel from end to end: the frames' median, the slowest, how
               many took over 50 ms, and how long the page's own scripts, styles and layout took meanwhile, which other
               work on the machine changes less; without Chromium or Playwright one line says so
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np

from underhood.lab.files import line_of
from underhood.lab.machine import machine, versions
from underhood.lab.store import RunFolder, TrialFolder
from underhood.lab.study import plan
from underhood.lab.trial import TrialSpec
from underhood.report.live.server import LiveServer
from underhood.studies import in_file

SEEDS = 5
STEPS = 45  # of an epoch
STUDY = """\
from underhood.lab import Scale, Study

study = Study(
    name="sweep",
    title="A large sweep",
    question="Which learning rate and weight decay train the digits best?",
    source="benchmarks/large_store.py",
    base={{"network": "mlp", "data": {{"name": "digits", "validation": 0.2}}, "epochs": {epochs}}},
    axes={{"optimizer.lr": {lrs}, "optimizer.weight_decay": {decays}}},
    scales={{"quick": Scale("all", seeds={seeds})}},
)
"""


def write(runs: Path, trials: int, epochs: int) -> RunFolder:
    """The run, in the folder of runs; its study's file is beside."""
    settings = trials // SEEDS
    rows = max(1, round(math.sqrt(settings / 1.6)))
    lrs = [float(f"{lr:.3g}") for lr in np.geomspace(1e-4, 1.0, settings // rows)]
    decays = [float(f"{decay:.3g}") for decay in np.geomspace(1e-6, 1e-1, rows)]
    file = runs.parent / "sweep.py"
    file.write_text(STUDY.format(epochs=epochs, lrs=lrs, decays=decays, seeds=SEEDS))
    study = in_file(file)
    folder = RunFolder(runs / "sweep-quick")
    specs = plan(study, "quick")
    about = {"machine": machine(), "versions": versions()}
    with patch("os.fsync"):  # nobody will miss it after a power cut
        for i, spec in enumerate(specs):
            _write_trial(folder.trial(spec.id), spec, i, about)
    folder.write(
        {"study": study.name, "title": study.title, "file": str(file), "scale": "quick", "state": "finished"}
        | {"command": f"underhood run {file}", "exit_code": 1, "began": "2026-01-02T03:04:05+00:00", "ended": None}
        | {"parallel": 2, "seeds": list(range(SEEDS)), "warnings": [], "memory_limit": None, **about}
        | {"plan": [spec.id for spec in specs], "trials": {spec.id: spec.to_json() for spec in specs}}
    )
    return folder


def _write_trial(trial: TrialFolder, spec: TrialSpec, i: int, about: dict[str, Any]) -> None:
    """A trial that learnt, or whose loss left the numbers half way, or that crashed there."""
    state = {17: "diverged", 41: "failed"}.get(i % 100, "finished")
    settings = spec.settings.model_dump(mode="json")
    rows = list(_epochs(settings, spec.seed, state))
    trial.path.mkdir(parents=True)
    trial.metrics_file.write_text("".join(f"{line_of(row)}\n" for row in rows))
    trial.write_identity(spec.to_json() | {"codes": ["0123456789ab"], "begun": "2026-01-02T03:04:05+00:00"})
    if state == "failed":
        trial.write_state("failed", reason="ArithmeticError: no step 50", seconds=1.0, exit_code=1)
        return
    trial.write_state("finished", reason="", seconds=2.0, exit_code=0)
    last = rows[-1]
    values = {"diverged": state == "diverged", "epochs": settings["epochs"], "steps": last["step"]} | {
        name: last[key]
        for name, key in (
            ("train_loss", "epoch_loss"),
            ("train_error", "train_error"),
            ("best_validation_error", "validation_error"),
            ("test_error", "validation_error"),
        )
    }
    trial.write_result({"values": values, "seconds": 2.0, "codes": ["0123456789ab"], "at_once": 2, **about})


def _epochs(settings: dict[str, Any], seed: int, state: str) -> Iterator[dict[str, Any]]:
    """A line an epoch, better the nearer the settings are to a learning rate of 0.05 and a weight decay of 1e-4."""
    optimizer, epochs = settings["optimizer"], settings["epochs"]
    far = abs(math.log10(optimizer["lr"] / 0.05)) + 0.3 * abs(math.log10(optimizer["weight_decay"] / 1e-4))
    noise = np.random.default_rng([seed, round(1e6 * far)]).normal(0, 0.05, epochs)
    for epoch in range(1, epochs + 1 if state == "finished" else epochs // 2):
        loss = float((0.05 + 2.2 * math.exp(-epoch / (5 + 10 * far)) + 0.1 * far) * math.exp(noise[epoch - 1]))
        yield {
            "step": STEPS * epoch,
            "epoch": float(epoch),
            "epoch_loss": loss,
            "train_error": min(0.9, 0.4 * loss),
            "seconds": 0.02 * epoch,
            "validation_loss": 1.1 * loss,
            "validation_error": min(0.9, 0.45 * loss),
        }
    if state == "diverged":
        yield {"step": STEPS * epochs // 2, "epoch": epochs / 2, "epoch_loss": math.nan, "train_error": 0.9,
               "seconds": 1.0, "validation_loss": math.nan, "validation_error": 0.9}  # fmt: skip


def timed(*words: str) -> float:
    """Seconds of a command of underhood, from its start to its end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "underhood", *words], check=True, capture_output=True)
    return time.perf_counter() - began


def asked(url: str) -> float:
    """Seconds of a question to the live page's server."""
    began = time.perf_counter()
    with urllib.request.urlopen(url, timeout=30) as answer:
        answer.read()
    return time.perf_counter() - began


def scroll(name: str, address: str, ready: str) -> None:
    """Turn the wheel from the top of a page to its end, and say how long its frames took.

    `ready` names what stands there when the page is whole. Frames are the browser's own (requestAnimationFrame): at
    60 a second one takes 17 ms; 50 ms are three that were missed.
    """
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print(f"{name}, scrolled: not measured, for there is no Chromium with Playwright here")
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.wait_for_selector(ready, timeout=60_000)
        page.wait_for_timeout(1000)  # figures in sight are drawn
        page.mouse.move(640, 450)
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        page.evaluate(FRAMES)
        began, turns = time.perf_counter(), 0
        while turns < MOST_TURNS and not page.evaluate(AT_END):
            page.mouse.wheel(0, TURN)
            turns += 1
        seconds = time.perf_counter() - began
        frames = sorted(page.evaluate("window.frames_seen"))
        spent = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
        browser.close()
    own = sum(spent[f"{what}Duration"] for what in ("Script", "RecalcStyle", "Layout"))
    late = sum(frame > 50 for frame in frames)
    print(
        f"{name}, scrolled {turns * TURN:,} pixels in {seconds:.1f} s: {len(frames) / seconds:.0f} frames/s, "
        f"median {median(frames):.0f} ms, slowest {frames[-1]:.0f} ms, {late} of {len(frames)} over 50 ms; "
        f"the page itself worked {1e3 * own:.0f} ms",
        flush=True,
    )


TURN = 120  # pixels of one notch of a wheel
MOST_TURNS = 400
AT_END = "scrollY + innerHeight >= document.documentElement.scrollHeight - 2"
FRAMES = """() => {
    window.frames_seen = [];
    let last = performance.now();
    const frame = (now) => { window.frames_seen.push(now - last); last = now; requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
}"""


def measure(runs: Path) -> None:
    os.environ["UNDERHOOD_RUNS"] = str(runs)
    page = runs / "sweep-quick" / "report.html"
    seconds = timed("report", "sweep-quick", "--format", "html")
    print(f"report: {seconds:.2f} s, {page.stat().st_size / 1e6:.2f} MB", flush=True)
    scroll("report", page.as_uri(), ".uh-table tbody tr")
    for words in (["runs", "ls"], ["runs", "ls"], ["runs", "show", "sweep-quick"], ["--version"]):
        print(f"{' '.join(words)}: {timed(*words):.2f} s", flush=True)
    began = time.perf_counter()
    with LiveServer(runs) as server:
        while not server.live.watch.loaded:
            time.sleep(0.05)
        print(f"view: has read the folder after {time.perf_counter() - began:.2f} s")
        home = server.url
        scroll("view", f"{home}#run=sweep-quick", "#trials tbody tr")
        for question in (
            "",
            "api/runs?count=50",
            "api/trials?run=sweep-quick&count=50",
            "api/trials?run=sweep-quick&count=50&sort=value&start=2500&metric=validation_error",
            "api/trials?run=sweep-quick&count=50&words=failed",
        ):
            found = [1e3 * asked(home + question) for _ in range(20)]
            print(f"view /{question}: median {median(found):.0f} ms, slowest {max(found):.0f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_store", description=__doc__)
    parser.add_argument("--trials", type=int, default=5000, help="about how many (5000)")
    parser.add_argument("--epochs", type=int, default=100, help="lines of each trial's metrics (100)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write it there, or measure what is there already")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        runs = (chosen.keep or Path(temporary)) / "runs"
        if not (runs / "sweep-quick").is_dir():
            runs.mkdir(parents=True, exist_ok=True)
            began = time.perf_counter()
            facts = write(runs, chosen.trials, chosen.epochs).read()
            assert facts is not None
            print(
                f"{len(facts['plan'])} trials of {chosen.epochs} epochs, written in {time.perf_counter() - began:.0f} s"
            )
        measure(runs)


if __name__ == "__main__":
    main()
