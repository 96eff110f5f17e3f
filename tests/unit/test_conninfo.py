"""The upstream as libpq understands it; libpq itself is the judge wherever it can say what it would do."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from proxy import conninfo
from proxy.conninfo import Address, ConninfoError, parse


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No PG variables, and a home folder without certificates and password files."""

    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


ADDRESSES = [
    ("postgresql://db1", ["db1:5432"]),
    ("postgres://db1:6000/shop", ["db1:6000"]),
    ("postgresql://h1:5433,h2,h3:5434/db", ["h1:5433", "h2:5432", "h3:5434"]),
    ("postgresql://[::1]:7000/db", ["[::1]:7000"]),
    ("postgresql://[2001:db8::1],10.0.0.1/db", ["[2001:db8::1]:5432", "10.0.0.1:5432"]),
    ("host=h1,h2 port=6543", ["h1:6543", "h2:6543"]),
    ("host=h1,h2 port=1,2", ["h1:1", "h2:2"]),
    ("host=/run/pg port=5433", ["/run/pg/.s.PGSQL.5433"]),
    ("postgresql:///db?host=/run/pg", ["/run/pg/.s.PGSQL.5432"]),
    ("postgresql://%2Frun%2Fpg/db", ["/run/pg/.s.PGSQL.5432"]),
    ("host=@abstract", ["@abstract/.s.PGSQL.5432"]),
    ("host=h1,/run/pg", ["h1:5432", "/run/pg/.s.PGSQL.5432"]),
    ("hostaddr=10.0.0.1", ["10.0.0.1:5432"]),
    ("hostaddr=::1", ["[::1]:5432"]),
    ("host=db1 hostaddr=10.0.0.1", ["db1:5432"]),
]


@pytest.mark.parametrize(("text", "expected"), ADDRESSES)
def test_addresses(text: str, expected: list[str]) -> None:
    assert [str(address) for address in parse(text).addresses] == expected


def test_hostaddr_is_where_to_connect_and_host_the_name_to_verify() -> None:
    assert parse("host=db1,db2 hostaddr=10.0.0.1,10.0.0.2 port=1").addresses == (
        Address("db1", 1, "10.0.0.1"),
        Address("db2", 1, "10.0.0.2"),
    )


def test_without_a_host_it_is_the_socket_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(conninfo, "_SOCKET_DIRECTORIES", (str(tmp_path / "none"), str(tmp_path)))
    assert parse("").addresses == (Address(str(tmp_path), 5432),)
    assert parse("").addresses[0].is_unix


def test_options() -> None:
    upstream = parse(
        "postgresql://ann:s%40crt@h1,h2/shop?sslmode=verify-full&sslrootcert=/ca.crt&sslcert=/c.crt&sslkey=/c.key"
        "&sslpassword=geheim&sslnegotiation=direct&target_session_attrs=read-write&load_balance_hosts=random"
        "&connect_timeout=7&keepalives_idle=30&tcp_user_timeout=9000&ssl_min_protocol_version=TLSv1.3&sslcrl=/crl"
    )
    assert (upstream.user, upstream.password, upstream.dbname) == ("ann", "s@crt", "shop")
    assert upstream.has_credentials
    tls = upstream.tls
    assert (tls.mode, tls.rootcert, tls.cert, tls.key) == ("verify-full", "/ca.crt", "/c.crt", "/c.key")
    assert (tls.password, tls.direct, tls.min_version, tls.crl) == ("geheim", True, "TLSv1.3", "/crl")
    assert (upstream.target_session_attrs, upstream.load_balance) == ("read-write", True)
    assert upstream.connect_timeout_s == 7
    assert (upstream.keepalive.on, upstream.keepalive.idle_s, upstream.keepalive.user_timeout_ms) == (True, 30, 9000)


def test_defaults() -> None:
    upstream = parse("host=h1")
    assert (upstream.tls.mode, upstream.tls.direct, upstream.tls.rootcert, upstream.tls.cert) == (
        "prefer",
        False,
        None,
        None,
    )
    assert (upstream.target_session_attrs, upstream.load_balance) == ("any", False)
    assert upstream.connect_timeout_s == conninfo.CONNECT_TIMEOUT_S
    assert upstream.password is None
    assert not upstream.has_credentials


@pytest.mark.parametrize(
    ("given_s", "used_s"), [("0", 10), ("-1", 10), ("1", 2), ("2", 2), ("30", 30)], ids=lambda value: str(value)
)
def test_connect_timeout_is_bounded_and_at_least_two_seconds(given_s: str, used_s: int) -> None:
    assert parse(f"host=h connect_timeout={given_s}").connect_timeout_s == used_s


def test_certificates_in_the_home_folder_are_found(tmp_path: Path) -> None:
    home = tmp_path / ".postgresql"
    home.mkdir()
    for name in ("root.crt", "root.crl", "postgresql.crt", "postgresql.key"):
        (home / name).touch()
    tls = parse("host=h").tls
    assert (tls.rootcert, tls.crl) == (str(home / "root.crt"), str(home / "root.crl"))
    assert (tls.cert, tls.key) == (str(home / "postgresql.crt"), str(home / "postgresql.key"))
    assert parse("host=h sslcertmode=disable").tls.cert is None


def test_system_root_certificates_mean_verify_full() -> None:
    assert parse("host=h sslrootcert=system").tls.mode == "verify-full"


# -- environment, services, password files -----------------------------------------------------------------------------


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGHOST": "envhost",
        "PGPORT": "6001",
        "PGUSER": "envuser",
        "PGPASSWORD": "envsecret",
        "PGDATABASE": "envdb",
        "PGSSLMODE": "require",
        "PGTARGETSESSIONATTRS": "primary",
        "PGCONNECT_TIMEOUT": "4",
    }.items():
        monkeypatch.setenv(name, value)
    upstream = parse("")
    assert upstream.addresses == (Address("envhost", 6001),)
    assert (upstream.user, upstream.password, upstream.dbname) == ("envuser", "envsecret", "envdb")
    assert (upstream.tls.mode, upstream.target_session_attrs, upstream.connect_timeout_s) == ("require", "primary", 4)
    assert upstream.has_credentials
    assert parse("host=own sslmode=disable").addresses == (Address("own", 6001),)
    assert parse("host=own sslmode=disable").tls.mode == "disable"


SERVICE = "[shop]\nhost=svc1,svc2\nport=6100\nuser=svcuser\npassword=svcsecret\nsslmode=require\n"


@pytest.mark.parametrize("where", ["PGSERVICEFILE", "home", "PGSYSCONFDIR"])
def test_service_files(where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    match where:
        case "PGSERVICEFILE":
            file = tmp_path / "services"
            monkeypatch.setenv(where, str(file))
        case "home":
            file = tmp_path / ".pg_service.conf"
        case _:
            file = tmp_path / "etc" / "pg_service.conf"
            file.parent.mkdir()
            monkeypatch.setenv(where, str(file.parent))
    file.write_text(SERVICE)
    for upstream in (parse("service=shop"), parse("postgresql:///?service=shop")):
        assert upstream.addresses == (Address("svc1", 6100), Address("svc2", 6100))
        assert (upstream.user, upstream.password, upstream.tls.mode) == ("svcuser", "svcsecret", "require")
        assert upstream.has_credentials
    assert parse("service=shop host=own").addresses == (Address("own", 6100),)
    monkeypatch.setenv("PGSERVICE", "shop")
    assert parse("").user == "svcuser"
    assert "secret" not in parse("service=shop").redacted


def test_password_file(tmp_path: Path) -> None:
    file = tmp_path / ".pgpass"
    file.write_text("db1:5432:shop:ann:frompgpass\n")
    file.chmod(0o600)
    assert parse("postgresql://ann@db1/shop").password == "frompgpass"
    assert parse("postgresql://bob@db1/shop").password is None


# -- errors ------------------------------------------------------------------------------------------------------------

ERRORS = [
    ("host=h sslmode=sure", "sslmode", '"sure"'),
    ("host=h target_session_attrs=fast", "target_session_attrs", '"fast"'),
    ("host=h load_balance_hosts=yes", "load_balance_hosts", '"yes"'),
    ("host=h sslnegotiation=quick", "sslnegotiation", '"quick"'),
    ("host=h sslmode=prefer sslnegotiation=direct", "sslmode", "direct"),
    ("host=h connect_timeout=soon", "connect_timeout", '"soon"'),
    ("host=h keepalives_idle=x", "keepalives_idle", '"x"'),
    ("host=h port=http", "port", '"http"'),
    ("host=h port=0", "port", '"0"'),
    ("host=h port=65536", "port", '"65536"'),
    ("host=h1,h2 port=1,2,3", "port", "3"),
    ("host=h1,h2 hostaddr=10.0.0.1", "host", "2"),
    ("hostaddr=db1", "hostaddr", "host names belong into host"),
    ("host=h sslrootcert=system sslmode=require", "sslrootcert", "verify-full"),
    ("host=h sslkey=pkcs11:token", "sslkey", "engine"),
    ("host=h gssencmode=require", "gssencmode", "sslmode"),
    ("service=nowhere", "service", '"nowhere"'),
    ("postgresql://h/db?schema=public", '"schema"', "client"),
    ("host=h pool_size=5", '"pool_size"', "client"),
    ("postgresql+psycopg2://h/db", "postgresql+psycopg2://", "postgresql://"),
    ("jdbc:postgresql://h/db", "JDBC", "jdbc:"),
    ("mysql://h/db", "mysql://", "postgresql://"),
    ("what is this", "neither a URL", "host="),
]


@pytest.mark.parametrize(("text", "names", "says"), ERRORS, ids=[text for text, _, _ in ERRORS])
def test_errors_name_the_option_and_what_is_wrong(text: str, names: str, says: str) -> None:
    with pytest.raises(ConninfoError) as caught:
        parse(text)
    assert names in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:hunter2%zz@h/db",
        "postgresql://ann:hunter2%00@h/db",
        "postgresql://ann:hunter2@[::1/db",
        "postgresql://ann:hunter2@[::1]x/db",
        "postgresql://ann:hunter2@h/db?sslmode",
        "postgresql://ann:hunter2@h/db?a=b=c",
        "mysql://ann:hunter2@h/db",
        "ann:hunter2@h/db",
        "host=h password='hunter2",
        "password=hunter2 hunter2",
        "postgresql://ann:hunter2@h/db?schema=x",
        "postgresql://ann:hunter2@h:x/db",
        "postgresql://ann:hunter2@h/db?sslmode=no",
        "postgresql://ann:hunter2@/db?service=none",
    ],
)
def test_errors_hold_no_password(text: str) -> None:
    with pytest.raises(ConninfoError) as caught:
        parse(text)
    assert "hunter2" not in str(caught.value)


# -- redaction and side connections ------------------------------------------------------------------------------------


def test_redacted() -> None:
    text = "postgresql://ann:pw@h1:1,h2/shop?sslmode=require&target_session_attrs=primary&load_balance_hosts=random"
    assert parse(text).redacted == (
        "postgresql://ann@h1:1,h2:5432/shop?sslmode=require&target_session_attrs=primary&load_balance_hosts=random"
    )
    assert parse("host=/run/pg user=ann dbname=a/b").redacted == "postgresql://ann@%2Frun%2Fpg:5432/a%2Fb"
    assert parse("host=::1 dbname=x").redacted == "postgresql://[::1]:5432/x"


words = st.from_regex(r"[a-w0-9_-]{1,12}", fullmatch=True)


@given(user=words, password=st.text(st.sampled_from("xyzXYZ%@:/ '\\&"), min_size=12, max_size=20), dbname=words)
def test_nothing_printable_of_an_upstream_holds_the_password(user: str, password: str, dbname: str) -> None:
    upstream = parse(make_conninfo(host="h", user=user, password=password, dbname=dbname, sslpassword=password))
    assert upstream.password == password
    assert password not in upstream.redacted
    assert password not in repr(upstream)
    assert password not in str(upstream)


@given(
    user=words,
    dbname=words,
    port=st.integers(1, 65535),
    hosts=st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=1, max_size=3),
)
def test_redacted_is_a_url_that_means_the_same(user: str, dbname: str, port: int, hosts: list[str]) -> None:
    upstream = parse(make_conninfo(host=",".join(hosts), port=port, user=user, dbname=dbname))
    again = parse(upstream.redacted)
    assert (again.addresses, again.user, again.dbname) == (upstream.addresses, upstream.user, upstream.dbname)


def test_conninfo_of_one_address_keeps_everything_else() -> None:
    upstream = parse(
        "postgresql://ann:p%20w@h1:1,h2:2/shop?sslmode=require&target_session_attrs=read-write&options=-c%20x.y%3D1"
    )
    found = conninfo_to_dict(upstream.conninfo(upstream.addresses[1], application_name="interlock", dbname="other"))
    assert found == {
        "user": "ann",
        "password": "p w",
        "host": "h2",
        "hostaddr": "",
        "port": "2",
        "dbname": "other",
        "sslmode": "require",
        "target_session_attrs": "any",
        "load_balance_hosts": "disable",
        "connect_timeout": "10",
        "options": "-c x.y=1",
        "application_name": "interlock",
    }
    assert conninfo_to_dict(upstream.conninfo())["host"] == "h1,h2"


def test_libpq_would_connect_to_the_same_places() -> None:
    """Each address alone, given back to libpq, is one that libpq names in its own complaint about not reaching it."""
    upstream = parse("host=localhost,127.0.0.1,/nonexistent port=1,2,3")
    for address in upstream.addresses:
        with pytest.raises(psycopg.OperationalError) as caught:
            psycopg.connect(upstream.conninfo(address))
        named = address.socket_path if address.is_unix else f"port {address.port} failed"
        assert named in str(caught.value)
