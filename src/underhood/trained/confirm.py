"""A stored network asked again, in this process, about the test images that its trial was evaluated on.

    python -m underhood.trained.confirm MODEL.safetensors TEST.npz [DATA]

prints, as JSON, how many images there are, how many were read right then and now, and for how many the class differs.
`underhood.lab.confirming` starts it, so that a report can say "saved, loaded in a new process, the same to the last
image".
"""

import json
import sys
from pathlib import Path

from underhood.errors import BadInput, UnderhoodError
from underhood.trained.network import load
from underhood.training.answers import Answers


def confirm(model: Path, test: Path, root: Path | None = None) -> dict[str, int]:
    """`images`, `then` and `now` (read right), `different` (classes). BadInput where the images aren't the same."""
    kept = Answers.read(test)
    found = load(model).evaluate(root=root)
    if found.notes:
        raise BadInput(f"{model}: {'; '.join(found.notes)}")
    if not (kept.rows.tolist() == found.answers.rows.tolist() and kept.truth.tolist() == found.answers.truth.tolist()):
        raise BadInput(f"{test}: is of other images than {model} was tested on")
    different = int((kept.prediction != found.answers.prediction).sum())
    return {"images": len(kept), "then": kept.correct, "now": found.correct, "different": different}


def main(words: list[str]) -> int:
    model, test, *root = map(Path, words)
    try:
        print(json.dumps(confirm(model, test, *root)))
    except UnderhoodError as error:
        print(json.dumps({"error": str(error)}))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
