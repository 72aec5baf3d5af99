"""A run handed in as a course's sheet asks: a script that stands alone, the trained model, the report as PDF.

    from underhood.handin import hand_in
    hand_in(underhood.open_run("mnist-mlp-quick"), "handed-in/p1")      # p1.py, p1_model.npz, p1_report.pdf

Source: the programming exercises of "24-789 Deep Learning for Engineers", Carnegie Mellon University, 2021.
"""

from underhood.handin.files import check, hand_in

__all__ = ["check", "hand_in"]
