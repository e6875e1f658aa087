"""`view`: the live page of an output, in a browser on this machine."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from veritensor_ray.cli.deciding.confirmation import PolicyFile, say
from veritensor_ray.cli.options import Config, Output, Sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from veritensor_ray.api import Audit
    from veritensor_ray.results.policy_place import PolicyPlace
    from veritensor_ray.view.server import Site


def view(
    output: Output,
    port: Annotated[int, typer.Option(help="The port on loopback. Default: a free one.", min=0, max=65535, show_default=False)] = 0,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser of this machine.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse suppressions and labels.")] = False,
    reveal: Annotated[
        bool,
        typer.Option(
            "--reveal", help="Allow passages to be shown unmasked. Each time, the page asks why, and the output records who and why."
        ),
    ] = False,
    sweep: Sweep = None,
    policy: PolicyFile = None,
    config: Config = None,
) -> None:
    """Show the results as a live page: filter, group, read passages, label and suppress. For a cleaned copy, also what became of each file.

    The page is served on loopback for one browser, through a link that works once. Press Ctrl-C to stop.
    """
    from veritensor_ray import api
    from veritensor_ray.core.config import load_settings
    from veritensor_ray.exports.opened_copy import audit_in
    from veritensor_ray.exports.rules_of_results import rules_in
    from veritensor_ray.results.labels import labels
    from veritensor_ray.view.page_decisions import Deciding
    from veritensor_ray.view.queries import Queries
    from veritensor_ray.view.server import HOST, Serving, Site, listening, server
    from veritensor_ray.view.table_copy import copied

    settings = load_settings(config)
    audit = api.open(audit_in(output, settings.stores), sweep=sweep, stores=settings.stores)
    audit.check()
    place = None if read_only else _place(audit, policy or settings.policy)
    known, rules = labels(audit.store), rules_in(audit, settings)
    with listening(port) as sock:
        where = f"{HOST}:{sock.getsockname()[1]}"
        _say("Reading the findings…")
        with copied(audit) as copy:
            deciding = Deciding(copy, Queries(copy, known), known, place) if place else None
            if deciding:
                deciding.start()
            site = Site(Serving(copy, rules, known, deciding, reveal, config), where)
            try:
                with contextlib.suppress(KeyboardInterrupt):  # which is how it ends
                    _announce(where, site, place)
                    with _opened(f"http://{where}/#{site.keys.token}") if open_browser else contextlib.nullcontext():
                        server(site).run(sockets=[sock])
            finally:
                site.close()
    _say("Stopped.")


def _place(audit: Audit, named: str | None) -> PolicyPlace:
    """Returns where suppressions are kept. A page without such a place opens too, and says so when somebody suppresses something."""
    from veritensor_ray.core.errors import UsageError
    from veritensor_ray.results.policy_place import NoPlace, place_for

    try:
        return place_for(audit, named and os.path.abspath(named))  # noqa: PTH100  # a link keeps its name
    except UsageError as error:
        return NoPlace(str(error))


def _announce(where: str, site: Site, place: PolicyPlace | None) -> None:
    from veritensor_ray.results.policy_place import NoPlace

    if isinstance(place, NoPlace):
        _say(f"Nothing can be suppressed: {place.why}")
    elif place:
        _say(f"Suppressions go to {place}")
    if os.environ.get("SSH_CONNECTION"):
        port = where.rpartition(":")[2]
        _say(f"First, on your own machine:  ssh -N -L {port}:{where} {getpass.getuser()}@{platform.node()}")
    _say(f"http://{where}/#{site.keys.token}")
    _say("The link works once. Press Ctrl-C to stop.")


def _say(line: str) -> None:
    say(line)
    sys.stdout.flush()


@contextlib.contextmanager
def _opened(link: str) -> Iterator[None]:
    """Open the link in a browser. Every user can read the arguments of its process, so they name only a file that leads to the link."""
    import tempfile
    import threading
    import webbrowser
    from pathlib import Path

    with tempfile.TemporaryDirectory(prefix="veritensor-ray-view-") as folder:
        file = Path(folder) / "open.html"
        file.write_text(f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={link}">', encoding="utf-8")

        def start() -> None:
            if not webbrowser.open(file.as_uri()):
                _say("No browser was found; open the link yourself.")

        threading.Thread(target=start, daemon=True).start()  # some browsers return only when they are closed
        yield
