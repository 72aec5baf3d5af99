"""`underhood doctor`: is everything in place on this machine?"""

from underhood.cli.output import Json, print_json

MARKS = {"ok": "✓", "absent": "–", "broken": "✗"}


def doctor(*, json: Json = False) -> int:
    """See whether everything is in place on this machine.

    Looks at versions, extras, threads, caches, the processor, memory, GPU,
    data sets and disk. What is broken comes with the line to type; the exit
    code is 3 then. An extra or a data set that isn't there is no fault.
    For example:

        underhood doctor
        underhood doctor --json
    """
    from underhood.cli.checks import examine

    checks = examine()
    broken = [check for check in checks if check.state == "broken"]
    if json:
        print_json("doctor", healthy=not broken, checks=[vars(check) for check in checks])
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            print(f"{MARKS[check.state]} {check.name:<{width}}  {check.text}")
            if check.mend:
                print(f"  {'':<{width}}  → {check.mend}")
        print(f"\n{len(broken)} broken." if broken else "\nAll that is needed is in place.")
    return 3 if broken else 0
