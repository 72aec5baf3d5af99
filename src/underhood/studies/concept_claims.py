"""Ten claims about convolutional networks, each settled by a number that is measured here.

Every claim has a module in `claims/`: its statement, its experiment, its measurement and the rule that turns the
numbers into a verdict. One trial is one claim with one seed.

    underhood run concept-claims --set claim=dropout-speed
    underhood run concept-claims --set claim=leaky-relu --set claim.hidden=128 --seeds 10
    underhood run concept-claims --grid claim=augmentation,shortcuts

Source: homework "CEE 690/ECE 590", Duke University, 2021, problems 1.1 to 1.10: the answers and their reasons. Its
questions are not printed there; the statements are read from the answers.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal, Self, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from underhood.lab import Group, Results, Scale, Study
from underhood.report.document import Block, Document, Section
from underhood.settings import SettingError, Settings
from underhood.studies.claims import CLAIMS, Claim, Finding, Word
from underhood.studies.claims.experiment import STAND_IN, Experiment, Stopped
from underhood.tables import Column, Table
from underhood.training.entry_settings import EntrySettings
from underhood.trials import Context, Event

WORDS: dict[Word, str] = {"supported": "supported", "refuted": "refuted", "undecided": "not decided"}
ANSWERS = {True: "true", False: "false"}


class ClaimSettings(EntrySettings):
    """Which claim, and what of its experiment to change."""

    name: str = "batch-norm-mean"

    @classmethod
    def entries(cls) -> dict[str, Callable[..., Any]]:
        return {name: claim.measure for name, claim in CLAIMS.items()}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        hints = get_type_hints(CLAIMS[self.name].measure, include_extras=True) if self.name in CLAIMS else {}
        for name, value in self.arguments.items():
            try:
                TypeAdapter(hints[name]).validate_python(value)
            except ValidationError as wrong:
                raise SettingError(name, wrong.errors()[0]["msg"]) from None
        return self


class ConceptClaimsSettings(Settings):
    """The claim, how large its experiment is, and what it runs on."""

    claim: ClaimSettings = Field(default_factory=ClaimSettings, description="one of the ten, and its options")
    size: Literal["tiny", "small", "large"] = Field("small", description="of the experiment, by the claim's page")
    data: Literal["auto", "digits", "mnist", "cifar10"] = Field(
        "auto", description="the images; auto: those the claim asks for, the digits where they are not at hand"
    )
    backend: Literal["auto", "torch", "underhood"] = Field(
        "auto", description="what trains: PyTorch where it is installed, else this package's engine"
    )
    threads: int = Field(1, ge=1)


def trial(settings: ConceptClaimsSettings, seed: int, context: Context) -> Iterator[Event]:
    """One claim's experiment with one seed."""
    claim = CLAIMS[settings.claim.name]
    experiment = Experiment(seed, context.data, settings.data, settings.backend, settings.threads, context.stopping)
    try:
        yield from claim.measure(experiment, **{**claim.sizes[settings.size], **settings.claim.arguments})
    except Stopped:
        return


# The report


def report(results: Results) -> Document:
    """The ten verdicts, then claim by claim how each came about."""
    claims = [(CLAIMS[group.settings["claim"]["name"]], group) for group in results.groups if group.counted]
    several = Counter(claim.name for claim, _ in claims)
    sections = [
        Section(_title(claim, group, several[claim.name] > 1), [*_section(claim, group)], folded=True)
        for claim, group in claims
    ]
    verdicts = Section("The verdicts", [*_overview(claims)])
    return Document(ENTRY.title, ENTRY.question, _answer(claims), [verdicts, *sections])


def number_of(claim: Claim) -> int:
    """Its number on the sheet, from 1."""
    return list(CLAIMS).index(claim.name) + 1


def _title(claim: Claim, group: Group, several: bool) -> str:
    return f"{number_of(claim)}. {claim.statement.rstrip('.')}" + (f" ({group.label})" if several else "")


def _answer(claims: list[tuple[Claim, Group]]) -> str:
    verdicts = [(claim, group, claim.verdict(group)) for claim, group in claims]
    said = []
    for word, title in WORDS.items():
        topics = [_numbered(claim) for claim, _, verdict in verdicts if verdict == word]
        if topics:
            said.append(f"- **{title}**: {', '.join(topics)}")
    notes = []
    decided = [(claim, verdict) for claim, _, verdict in verdicts if verdict != "undecided"]
    differ = [_numbered(claim) for claim, verdict in decided if claim.sheet != (verdict == "supported")]
    if differ:
        notes.append(f"The sheet answers otherwise on {', '.join(differ)}; the sections say what was measured.")
    elif len(decided) == len(verdicts):
        notes.append(f"The sheet's answers are the same, on all {len(decided)}.")
    elif decided:
        notes.append(
            f"Where the numbers decide, on {len(decided)} of {len(verdicts)}, the sheet's answers are the same."
        )
    if len(decided) < len(verdicts):
        notes.append("Where an interval holds both answers, none is given: more seeds (`--seeds`) may narrow it.")
    if qualified := [_numbered(claim) for claim, group, _ in verdicts if claim.caveat(group)]:
        notes.append(f"Read with their caveats: {', '.join(qualified)}.")
    return "\n".join(said) + "\n\n" + " ".join(notes)


def _numbered(claim: Claim) -> str:
    return f"{number_of(claim)} ({claim.topic})"


def _overview(claims: list[tuple[Claim, Group]]) -> Iterator[Block]:
    verdicts, deciding = [], []
    for claim, group in claims:
        found, verdict, number = claim.found(group), claim.verdict(group), number_of(claim)
        verdicts.append(
            {
                "number": number,
                "claim": claim.statement,
                "verdict": _worded(verdict, len(group.counted)),
                "sheet": ANSWERS[claim.sheet],
                "caveat": claim.caveat(group) or None,
            }
        )
        if one := _deciding(found, verdict):
            deciding.append({"number": number, "what": one.what, "measured": one.text, "demand": one.demand})
    if stood_in := _stood_in(claims):
        yield (
            f"**The 8×8 digits stood in** for MNIST or CIFAR-10 in {', '.join(stood_in)}, for the sets are not at "
            "hand. `underhood data get mnist` and `underhood data get cifar10` fetch them; then add `--rerun`."
        )
    qualified = any(row["caveat"] for row in verdicts)
    which = Column("number", "", format="d")
    yield Table(
        "Ten claims" if len(verdicts) == len(CLAIMS) else "The claims",
        [
            which,
            Column("claim", "Claim", align="left"),
            Column("verdict", "Verdict", align="left"),
            Column("sheet", "Sheet", align="left"),
            *([Column("caveat", "Caveat", align="left")] if qualified else []),
        ],
        [row if qualified else {key: value for key, value in row.items() if key != "caveat"} for row in verdicts],
        name="verdicts",
    )
    yield (
        "A verdict is computed, not written down: each claim demands something of one number or of several, and the "
        "number's interval over the seeds lies on one side of the demand, on the other, or across. Across is **not "
        "decided**. Comparisons are made within each seed, so that the seeds' luck cancels. Where a claim rests on "
        "several numbers their intervals are widened, so that all hold at once with 95 % (Bonferroni)."
    )
    yield Table(
        "The number that decides",
        [
            which,
            Column("what", "Number", align="left"),
            Column("measured", "Measured"),
            Column("demand", "The claim demands"),
        ],
        deciding,
        foot=["± is half of the interval over the seeds; what is counted, or is the same in all seeds, has none."],
        name="deciding",
    )


def _stood_in(claims: list[tuple[Claim, Group]]) -> list[str]:
    """The numbers of the claims that were put to the digits without anybody asking for them."""
    return [
        str(number_of(claim))
        for claim, group in claims
        if group.settings["data"] == "auto"
        for result in [group.counted[0].result]
        if STAND_IN in {result.get("data"), *(case["data"] for case in result.get("cases", {}).values())}
    ]


def _worded(word: Word, seeds: int) -> str:
    return f"not decided with {seeds} seed{'s' * (seeds != 1)}" if word == "undecided" else WORDS[word]


def _deciding(found: list[Finding], verdict: Word) -> Finding | None:
    """The number to show for it: the first that says what the verdict says."""
    return next((finding for finding in found if finding.word == verdict), found[0] if found else None)


def _section(claim: Claim, group: Group) -> Iterator[Block]:
    found, verdict = claim.found(group), claim.verdict(group)
    seeds = len(group.counted)
    caveat = claim.caveat(group)
    said = f"**{_worded(verdict, seeds).capitalize()}.** {_beside_the_sheet(claim, verdict)} "
    yield said + claim.because(group, verdict) + (f" **Caveat**: {caveat}." if caveat else "")
    yield claim.experiment
    yield from claim.shown(group)
    if not found:
        return
    yield Table(
        f"What claim {number_of(claim)} demands, and what was found",
        [
            Column("what", "Number", align="left"),
            Column("measured", "Measured", align="right"),
            Column("demand", "The claim demands", align="right"),
            Column("word", "So it is", align="left"),
        ],
        [{"what": each.what, "measured": each.text, "demand": each.demand, "word": WORDS[each.word]} for each in found],
        foot=[*_rule(claim, found), *_more_seeds(found)],
        name=f"demands-{claim.name}",
    )


def _rule(claim: Claim, found: list[Finding]) -> Iterator[str]:
    if len(found) > 1:
        yield f"The claim as a whole: {claim.combines}"
    if any(each.wants == "equal" for each in found):
        yield "= asks for the very number in every seed: one seed that differs refutes it, whatever the interval."
    yield f"To run it alone: underhood run concept-claims --set claim={claim.name}"


def _more_seeds(found: list[Finding]) -> Iterator[str]:
    for each in found:
        if each.word == "undecided":
            yield f"{each.what[0].upper()}{each.what[1:]}: {each.outlook}."


def _beside_the_sheet(claim: Claim, verdict: Word) -> str:
    if verdict == "undecided":
        return f"The sheet says {ANSWERS[claim.sheet]}; the numbers here allow both."
    if claim.sheet == (verdict == "supported"):
        return f"The sheet says {ANSWERS[claim.sheet]} too."
    return f"The sheet says {ANSWERS[claim.sheet]}; what was measured here says otherwise, in this setting."


ENTRY = Study(
    name="concept-claims",
    title="Ten claims, ten measurements",
    question="Which of ten common statements about convolutional networks hold when one measures them?",
    theme="Architectures",
    source='homework "CEE 690/ECE 590", Duke University, 2021, problem 1; the papers that each page names',
    settings=ConceptClaimsSettings,
    trial=trial,
    axes={"claim": list(CLAIMS)},
    scales={
        "smoke": Scale(
            "8×8 digits, tiny experiments, 2 seeds", seeds=2, set={"data": "digits", "size": "tiny"}, time="15 s"
        ),
        "quick": Scale("MNIST and CIFAR-10, 5 seeds", seeds=5, time="10 min on two cores"),
        "full": Scale("larger experiments, 10 seeds", seeds=10, set={"size": "large"}, time="1 h, estimated"),
    },
    report=report,
    compares=("claim.name",),
    data=lambda settings: None if settings.data == "auto" else settings.data,
)
