"""What ends a step, in one sentence: on the console, and in runs/<run>/steps/<step>.error for the summary."""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.base import UserError, runs_dir, write_atomically

NO_SPACE = os.strerror(errno.ENOSPC)


def error_path(run: str, step: str) -> Path:
    """Where the sentence of a failed step is kept until the next run."""
    return runs_dir(run) / "steps" / f"{step}.error"


def forget(run: str) -> None:
    """Remove what an earlier run failed of."""
    for old in (runs_dir(run) / "steps").glob("*.error"):
        old.unlink()


def sentence(error: BaseException, name: str) -> str:
    """What went wrong in a step: a UserError's own sentence, or the kind of the error and its message."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "stopped."
    if getattr(error, "errno", None) == errno.ENOSPC or NO_SPACE in str(error):
        return no_space(name, error)
    return f"{name}: {type(error).__name__}: {error}"


def no_space(name: str, cause: object) -> str:
    """The sentence for a full disk."""
    return (
        f"{name}: expected free disk space, found none ({cause}); free some, or set MATTING_CACHE to a "
        "directory on a larger disk."
    )


@contextmanager
def reported(run: str, step: str, words: Callable[[BaseException, str], str] = sentence) -> Iterator[None]:
    """Any error in the block ends the program with status 2 and is reported in one sentence; the traceback of what is no
    UserError goes to Snakemake's log."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, UserError | KeyboardInterrupt):
            traceback.print_exc()
        cause = words(error, step)
        print(f"[{step}] failed: {cause}", flush=True)
        write_atomically(error_path(run, step), cause.encode())
        sys.exit(2)
