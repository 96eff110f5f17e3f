"""The options of ``interlock serve`` that say how clients log in, and what becomes of them on SIGHUP."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from proxy.cli import Misuse

if TYPE_CHECKING:
    from proxy.conninfo import Upstream
    from proxy.login.front import Front
    from proxy.login.terms import Terms

log = logging.getLogger("interlock")

_FILE: Final = click.Path(exists=True, dir_okay=False)
_OPTIONS: Final = (
    click.option(
        "--tls-cert",
        metavar="FILE",
        type=_FILE,
        help="Certificate chain for clients (PEM); without it clients are told that there is no TLS.",
    ),
    click.option("--tls-key", metavar="FILE", type=_FILE, help="Its private key, if it is not in the same file."),
    click.option(
        "--tls-mode",
        type=click.Choice(["disable", "allow", "require", "verify-ca", "verify-full"]),
        default="allow",
        help="require: no client without TLS; verify-ca: nor without a certificate; verify-full: nor with one of another user."
        " Unix sockets need none.",
    ),
    click.option(
        "--tls-client-ca", metavar="FILE", type=_FILE, help="Who signs the certificates of clients; others are refused."
    ),
    click.option(
        "--tls-min-version",
        type=click.Choice(["TLSv1.2", "TLSv1.3"]),
        default="TLSv1.2",
        help="The oldest TLS that clients may speak.",
    ),
    click.option(
        "--auth",
        type=click.Choice(["pass-through", "scram", "cert"]),
        default="pass-through",
        help="pass-through: clients prove themselves to the upstream; scram: to Interlock, which knows --auth-users;"
        " cert: by a client certificate whose CN is the user.",
    ),
    click.option(
        "--auth-users",
        metavar="FILE",
        type=_FILE,
        help='For --auth scram: lines of "user" "SCRAM verifier or password", as pgbouncer\'s auth_file.',
    ),
    click.option(
        "--upstream-password-file",
        metavar="FILE",
        type=_FILE,
        help="For --auth scram and cert: the password of the upstream's user, read at each login.",
    ),
    click.option(
        "--upstream-password-command",
        metavar="COMMAND",
        help="Likewise: the first line that it prints, such as a cloud's token; it gets INTERLOCK_USER, _DATABASE, _HOST, _PORT.",
    ),
    click.option(
        "--upstream-password-ttl",
        metavar="SECONDS",
        type=click.FloatRange(0),
        default=600.0,
        help="How long what the command printed is kept.",
    ),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: add the options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def warn_of_passwords(context: click.Context) -> None:
    """A password among the arguments is in ``ps``, for everybody to see."""
    from proxy.conninfo import ConninfoError, parse

    for name in ("upstream", "monitor", "jobs"):
        value = context.params.get(name) or ()
        if context.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        with contextlib.suppress(ConninfoError):
            if any(parse(text).gives_password for text in ((value,) if isinstance(value, str) else value)):
                log.warning(
                    "the password in --%s can be read by everybody on this machine (ps); give the URL by INTERLOCK_%s or"
                    " --config, or the password by PGPASSWORD or a password file",
                    name,
                    name.upper(),
                )


def terms(options: dict[str, Any], upstream: Upstream) -> Terms:
    """Raises Misuse."""
    from proxy.login.secret import Secret, SecretError
    from proxy.login.terms import Terms
    from proxy.login.users import Users, UsersError

    front, auth = _front(options), options["auth"]
    if auth == "pass-through":
        for name in ("auth_users", "upstream_password_file", "upstream_password_command"):
            if options[name]:
                raise Misuse(f"--{name.replace('_', '-')} needs --auth scram or cert")
        if upstream.tls.cert and upstream.tls.mode not in ("disable", "allow"):
            log.warning(
                "--upstream has a client certificate (%s): where the server asks for one and nothing else, whoever reaches"
                " Interlock can log in as the user of that certificate; --auth scram or cert checks clients first",
                upstream.tls.cert,
            )
        return Terms(front=front)
    try:
        secret = Secret(
            upstream,
            file=options["upstream_password_file"],
            command=options["upstream_password_command"],
            ttl_s=options["upstream_password_ttl"],
        )
        users = Users(options["auth_users"]) if options["auth_users"] else None
    except (SecretError, UsersError) as error:
        raise Misuse(str(error)) from None
    if auth == "scram" and users is None:
        raise Misuse("--auth scram needs --auth-users")
    if auth == "cert" and (front is None or not options["tls_client_ca"]):
        raise Misuse("--auth cert needs --tls-cert and --tls-client-ca")
    if auth == "cert" and users is not None:
        raise Misuse("--auth-users is for --auth scram")
    return Terms(auth, front, users, secret)


def reload(terms: Terms) -> None:
    """Read certificates and users again.  What is wrong changes nothing, and is said why."""
    from proxy.login.front import FrontError
    from proxy.login.users import UsersError

    if terms.front is not None:
        try:
            terms.front.reload()
        except FrontError as error:
            log.error("certificate not reloaded; the running one stays in use: %s", error)
        else:
            log.info("certificate reloaded")
    if terms.users is not None:
        try:
            terms.users.reload()
        except UsersError as error:
            log.error("users not reloaded; those that are known stay so: %s", error)
        else:
            log.info("users reloaded: %d", len(terms.users))


def _front(options: dict[str, Any]) -> Front | None:
    from proxy.login.front import Front, FrontError, FrontSettings

    if not options["tls_cert"]:
        for name in ("tls_key", "tls_client_ca"):
            if options[name]:
                raise Misuse(f"--{name.replace('_', '-')} needs --tls-cert")
        if options["tls_mode"] not in ("disable", "allow"):
            raise Misuse(f"--tls-mode {options['tls_mode']} needs --tls-cert")
        return None
    key = options["tls_key"] or options["tls_cert"]
    if os.stat(key).st_mode & 0o004:
        log.warning("the private key %s may be read by everybody; run: chmod 600 %s", key, key)
    settings = FrontSettings(
        mode=options["tls_mode"],
        cert=options["tls_cert"],
        key=options["tls_key"],
        client_ca=options["tls_client_ca"],
        min_version=options["tls_min_version"],
    )
    try:
        return Front(settings)
    except FrontError as error:
        raise Misuse(str(error)) from None
