"""Tries the claims of a script, one after the other, and counts those that hold."""

passed = failed = 0


def check(claim, work, *arguments):
    global passed, failed
    try:
        work(*arguments)
        passed += 1
    except Exception as error:
        failed += 1
        print(f'  FAILED {claim}\n         {type(error).__name__}: {error}', flush=True)


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def finish():
    """Prints the line that `run` counts by, and returns the exit code of the script."""
    print(f'{passed} passed, {failed} failed')
    return 0 if failed == 0 else 1
