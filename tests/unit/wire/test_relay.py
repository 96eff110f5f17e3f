"""The relay: what goes on, what is held, and that memory and bytes are as promised.  Its states: tests/wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import messages as m
from proxy.wire.errors import ClientProtocolError, ServerProtocolError
from proxy.wire.relay import FIRST_BYTES, Message, Relay
from proxy.wire.runs import end_of_run

LOGIN = m.authentication(0) + m.ready_for_query(b"I")
CREATE = m.query(b"create index on t (a)")


def raw(kind: bytes, body: bytes = b"") -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def wants_create(kind: int, body: bytes) -> bool:
    return b"create" in body


def ready(watch: Callable[[int, bytes], bool] = wants_create, *, max_statement_bytes: int = 64 << 20) -> Relay:
    relay = Relay(watch, max_statement_bytes=max_statement_bytes)
    relay.from_server(LOGIN)
    return relay


frontend = st.one_of(
    st.binary(max_size=12).map(lambda body: m.query(body.replace(b"\0", b""))),
    st.sampled_from(
        [
            CREATE,
            m.query(b"copy"),
            m.parse(b"s", b"create table t ()"),
            m.parse(b"", b"select 1"),
            m.bind(b"", b"", [b"x" * 40, None]),
            m.describe(b"P", b""),
            m.execute(b"", 3),
            m.close(b"S", b"create"),
            m.sync(),
            m.flush(),
            raw(b"d", b"create"),
            raw(b"c"),
            m.copy_fail(b"no"),
            raw(b"F", b"create"),
            raw(b"p", b"secret"),
            raw(b"\xf0", b"of a later Postgres: create"),
        ]
    ),
)
backend = st.one_of(
    st.sampled_from(
        [
            m.parse_complete(),
            m.bind_complete(),
            m.close_complete(),
            m.no_data(),
            m.row_description(["a", "b"]),
            m.data_row([b"1", None]),
            m.command_complete(b"SELECT 1"),
            raw(b"s"),
            raw(b"I"),
            raw(b"t", b"\0\0"),
            raw(b"G", b"\0\0\0"),
            raw(b"H", b"\0\0\0"),
            raw(b"W", b"\0\0\0"),
            raw(b"A", b"notify"),
            raw(b"d", b"line"),
            raw(b"c"),
            raw(b"V", b"1"),
            raw(b"\xf0", b"of a later Postgres"),
            m.error_response({"S": "ERROR", "C": "22012", "M": "division by zero"}),
            m.notice_response({"S": "NOTICE", "C": "00000", "M": "hm"}),
            m.parameter_status("a", "b"),
            m.backend_key_data(1, b"k" * 9),
            m.authentication_sasl(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]),
            *(m.ready_for_query(status) for status in (b"I", b"T", b"E")),
        ]
    )
)
scripts = st.lists(st.tuples(st.just("client"), frontend) | st.tuples(st.just("server"), backend), max_size=30)
cuts = st.randoms(use_true_random=False)
hold = st.sampled_from(["pass", "drop", "replace"])


# Of a Conversation, by name: a compiled one has no __dict__.
STATE = (
    *("status", "pipeline_open", "executes", "skipping", "copying", "last_tag", "suspended", "parameters"),
    *("backend_key", "unexpected", "_ignored_sync", "unsure", "_owed"),
)


class Played:
    """What became of a script: bytes out on both sides, what was shown to watch, the end state or the error."""

    def __init__(self, script: list[tuple[str, bytes]], cut: Callable[[bytes], list[bytes]], held: str) -> None:
        self.to_server = self.to_client = b""
        self.shown: list[tuple[int, bytes]] = []
        self.error = ""
        self.held = held
        self.relay = Relay(self._watch, sasl=lambda names: [name for name in names if not name.endswith("PLUS")])
        try:
            for side, data in script:
                for chunk in cut(data):
                    self._feed(side, chunk)
        except (ClientProtocolError, ServerProtocolError) as error:
            self.error = repr(error)

    def _watch(self, kind: int, body: bytes) -> bool:
        self.shown.append((kind, body))
        return b"create" in body

    def _feed(self, side: str, chunk: bytes) -> None:
        relay = self.relay
        if side == "server":
            self.to_client += relay.from_server(chunk)
            return
        self.to_server += relay.from_client(chunk)
        while relay.held:
            if self.held == "pass":
                self.to_server += relay.pass_held()
            elif self.held == "drop":
                self.to_server += relay.drop_held()
            else:
                self.to_server += relay.replace_held(m.query(b"other"))

    @property
    def outcome(self) -> dict[str, object]:
        state = {name: getattr(self.relay, name) for name in STATE}
        if self.error:
            return {"error": self.error}
        return {**state, "to_server": self.to_server, "to_client": self.to_client, "shown": self.shown}


@given(scripts, cuts, hold)
def test_any_chunking_of_the_bytes_gives_the_same_bytes_and_the_same_state(
    script: list[tuple[str, bytes]], random: object, held: str
) -> None:
    def cut(data: bytes) -> list[bytes]:
        points = sorted(random.choices(range(len(data) + 1), k=random.randint(0, 4)))  # type: ignore[attr-defined]
        return [data[a:b] for a, b in zip([0, *points], [*points, len(data)], strict=True)]

    assert Played(script, cut, held).outcome == Played(script, lambda data: [data], held).outcome


@given(scripts, st.integers(1, 40))
def test_what_is_not_wanted_reaches_the_other_side_byte_for_byte(script: list[tuple[str, bytes]], size: int) -> None:
    """Also when the messages of one side come in one stream, cut at every so many bytes."""
    relay = Relay(lambda kind, body: False)
    for side, feed in (("client", relay.from_client), ("server", relay.from_server)):
        stream = b"".join(data for of, data in script if of == side)
        assert b"".join(feed(stream[at : at + size]) for at in range(0, len(stream), size)) == stream


@given(scripts)
def test_what_is_held_and_passed_stays_in_its_place(script: list[tuple[str, bytes]]) -> None:
    played = Played(script, lambda data: [data], "pass")
    if not played.error:
        assert played.to_server == b"".join(data for side, data in script if side == "client")


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=6), st.booleans())
def test_random_bytes_give_only_the_protocol_error_of_their_side(
    pieces: list[tuple[bool, bytes]], capture: bool
) -> None:
    relay = Relay(wants_create)
    relay.capture = capture
    for client, data in pieces:
        feed, refusal = (relay.from_client, ClientProtocolError) if client else (relay.from_server, ServerProtocolError)
        try:
            feed(data)
        except refusal:
            return


def test_nothing_wanted_means_that_the_very_chunk_goes_on() -> None:
    relay = ready()
    asked = m.query(b"select 1") * 3
    told = m.data_row([b"1"]) * 1000
    assert relay.from_client(asked) is asked
    assert relay.from_server(told) is told


@pytest.mark.parametrize("kind", [b"d", b"F", b"B", b"D", b"p", b"f", b"\xf0"])
def test_a_long_message_of_the_client_is_not_kept(kind: bytes) -> None:
    relay = ready()
    chunk = bytes(1 << 20)
    head = kind + (4 + 50 * len(chunk)).to_bytes(4, "big")
    assert relay.from_client(head + chunk) == head + chunk
    for _ in range(49):
        assert not relay.quiet
        assert relay.from_client(chunk) is chunk
        assert relay.buffered == 0
    assert relay.from_client(CREATE) == b""
    assert relay.held is not None


@pytest.mark.parametrize("kind", [b"D", b"d", b"T", b"E", b"N", b"A", b"\xf0"])
def test_a_long_message_of_the_server_is_not_kept(kind: bytes) -> None:
    relay = ready()
    body = bytes(1 << 20)
    head = kind + (4 + 8 * len(body)).to_bytes(4, "big")
    assert relay.from_server(head + body) == head + body
    assert not relay.quiet
    for _ in range(7):
        assert relay.from_server(body) is body
    assert relay.quiet


def test_a_long_statement_in_small_reads_is_kept_once_and_shown_whole() -> None:
    relay = ready()
    sql = b"create " + b"x" * (4 << 20)
    message = m.query(sql)
    for at in range(0, len(message), 1000):
        assert relay.from_client(message[at : at + 1000]) == b""
    assert relay.held == Message(ord("Q"), sql + b"\0")
    assert relay.buffered == 0
    assert relay.pass_held() == message


def test_a_statement_longer_than_the_limit_is_refused() -> None:
    relay = ready(max_statement_bytes=1000)
    assert relay.from_client(m.query(b"x" * 995)) != b""
    with pytest.raises(ClientProtocolError) as refused:
        relay.from_client(m.query(b"x" * 1000)[:5])
    assert refused.value.sqlstate == "54000"
    assert refused.value.message == "statement of 1005 bytes is longer than the limit of 1000"


def test_of_a_long_bind_the_first_bytes_are_shown_and_it_streams() -> None:
    shown: list[bytes] = []

    def watch(kind: int, body: bytes) -> bool:
        shown.append(body)
        return False

    relay = ready(watch)
    message = m.bind(b"portal", b"statement", [b"x" * 500_000])
    sent = b"".join(relay.from_client(message[at : at + 7000]) for at in range(0, len(message), 7000))
    assert sent == message
    assert [len(body) for body in shown] == [FIRST_BYTES]
    assert m.read_bind(shown[0]) == (b"portal", b"statement")


@pytest.mark.parametrize("size", [100, 7000, 1 << 30])
def test_a_long_bind_that_is_wanted_is_held_whole(size: int) -> None:
    asked = []

    def watch(kind: int, body: bytes) -> bool:
        asked.append(kind)
        return m.read_bind(body)[0] == b"wanted"

    relay = ready(watch)
    message = m.bind(b"wanted", b"", [b"x" * 200_000]) + m.bind(b"other", b"") + m.sync()
    watch_sync = b"".join(relay.from_client(message[at : at + size]) for at in range(0, len(message), size))
    assert watch_sync == b""
    assert relay.held is not None
    assert relay.held.raw == m.bind(b"wanted", b"", [b"x" * 200_000])
    assert asked == [ord("B")]
    assert relay.peek(0) == Message(ord("B"), m.bind(b"other", b"")[5:])
    assert relay.peek(1) == Message(ord("S"), b"")
    assert relay.peek(2) is None


def test_peek_sees_only_whole_messages_and_takes_nothing() -> None:
    relay = ready()
    relay.from_client(CREATE + m.sync() + m.query(b"select 1")[:-1])
    assert relay.peek(0) == Message(ord("S"), b"")
    assert relay.peek(1) is None
    relay.from_client(b"\0")
    assert relay.peek(1) == Message(ord("Q"), b"select 1\0")
    assert relay.buffered == len(m.sync() + m.query(b"select 1"))
    assert relay.pass_held() == CREATE + m.sync() + m.query(b"select 1")
    assert relay.buffered == 0


def test_many_held_in_one_read_cost_one_copy_each() -> None:
    relay = ready()
    relay.from_client(CREATE * 20_000)
    for _ in range(20_000):
        assert relay.held is not None
        assert relay.pass_held() == CREATE
    assert relay.held is None


def test_nothing_can_become_of_a_message_that_is_not_held() -> None:
    relay = ready()
    for act in (relay.pass_held, relay.drop_held, lambda: relay.replace_held(m.sync())):
        with pytest.raises(RuntimeError):
            act()


@pytest.mark.parametrize(
    "data",
    [
        b"Q\0\0\0\3",
        b"Q\xff\xff\xff\xff",
        b"d\x40\0\0\0",
        b"S\0\0\x27\x11",
        b"E\0\0\x27\x11",
        b"C\0\0\x27\x11",
        b"\0\0\0\0\0",
    ],
)
def test_lengths_that_the_server_refuses_of_a_client(data: bytes) -> None:
    with pytest.raises(ClientProtocolError) as refused:
        ready().from_client(data)
    assert refused.value.message in ("invalid message length",) or refused.value.sqlstate == "54000"


@pytest.mark.parametrize(
    "data",
    [
        b"D\0\0\0\3",
        b"D\x40\0\0\0",
        b"C\0\x10\0\1",
        b"S\x10\0\0\0",
        b"HTTP/1.1 400",
        m.ready_for_query(b""),
        raw(b"Z", b"II"),
    ],
)
@pytest.mark.parametrize("capture", [False, True])
def test_what_no_server_sends(data: bytes, capture: bool) -> None:
    relay = ready()
    relay.capture = capture
    if capture and data[:1] in b"CS":
        assert relay.from_server(data) == b""  # captured messages may have any length
        return
    with pytest.raises(ServerProtocolError):
        relay.from_server(data)


def test_mechanisms_that_the_client_cannot_use_are_not_offered() -> None:
    relay = Relay(wants_create, sasl=lambda names: [name for name in names if not name.endswith("-PLUS")])
    before, after = m.parameter_status("a", "b"), m.notice_response({"M": "hm"})
    offered = m.authentication_sasl(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])
    told = b"".join(relay.from_server(bytes([byte])) for byte in before + offered + after)
    assert told == before + m.authentication_sasl(["SCRAM-SHA-256"]) + after
    assert relay.from_server(m.authentication(5, b"salt")) == m.authentication(5, b"salt")


def test_parameters_and_key_are_noted() -> None:
    relay = Relay(wants_create)
    relay.from_server(
        m.parameter_status("TimeZone", "UTC") + m.backend_key_data(7, b"k" * 32) + m.parameter_status("TimeZone", "CET")
    )
    assert relay.parameters == {"TimeZone": "CET"}
    assert relay.backend_key == (7, b"k" * 32)


def test_a_message_begun_before_capturing_is_the_clients() -> None:
    relay = ready()
    relay.from_client(m.query(b"select 1"))
    row = m.data_row([b"x" * 100])
    assert relay.from_server(row[:50]) == row[:50]
    relay.capture = True
    assert relay.from_server(row[50:] + m.command_complete(b"SELECT 1")) == row[50:]
    assert list(relay.captured) == [Message(ord("C"), b"SELECT 1\0")]


def test_captured_messages_are_whole_however_they_come() -> None:
    relay = ready()
    relay.capture = True
    relay.own(m.query(b"select 1"))
    row = m.data_row([b"x" * 100_000])
    told = row + m.parameter_status("a", "b") + m.ready_for_query(b"I")
    through = b"".join(relay.from_server(told[at : at + 999]) for at in range(0, len(told), 999))
    assert through == m.parameter_status("a", "b")
    assert [message.raw for message in relay.captured] == [row, m.ready_for_query(b"I")]
    assert relay.quiet


def test_blind_passes_everything_behind_the_login_unseen() -> None:
    relay = Relay(wants_create)
    relay.blind = True
    assert relay.from_client(CREATE) == CREATE
    assert relay.from_server(LOGIN) == LOGIN
    assert relay.status == b"I"
    garbage = b"no frames at all"
    assert relay.from_client(garbage) is garbage
    assert relay.from_server(garbage) is garbage
    assert not relay.quiet


def test_a_statement_during_copy_in_is_refused_like_the_server_does() -> None:
    relay = ready()
    relay.from_client(m.query(b"copy t from stdin"))
    relay.from_server(raw(b"G", b"\0\0\0"))
    with pytest.raises(ClientProtocolError) as refused:
        relay.from_client(CREATE)
    assert refused.value.message == "unexpected message type 0x51 during COPY from stdin"


@pytest.mark.parametrize("asks", [b"G", b"W"])
def test_a_copy_that_asks_for_data_in_front_of_a_held_statement_is_refused_like_the_server_does(asks: bytes) -> None:
    relay = ready()
    relay.from_client(m.bind(b"", b"") + m.execute(b"") + m.sync() + CREATE)
    assert relay.held is not None
    with pytest.raises(ClientProtocolError):
        relay.from_server(m.bind_complete() + raw(asks, b"\0\0\0"))


def test_a_copy_whose_data_was_sent_ahead_of_the_held_statement_is_fine() -> None:
    relay = ready()
    relay.from_client(m.query(b"copy t from stdin") + raw(b"d", b"1\n") + raw(b"c") + CREATE)
    told = raw(b"G", b"\0\0\0") + m.command_complete(b"COPY 1") + m.ready_for_query(b"I")
    assert relay.from_server(told) == told
    assert relay.quiet
    assert relay.held is not None


def test_a_statement_behind_a_copy_that_failed_with_its_sync_sent_is_refused() -> None:
    """Nobody can know whether the server runs it or skips it, so it does not pass."""
    relay = ready()
    relay.from_client(m.bind(b"", b"copy") + m.execute(b"") + m.sync())
    relay.from_server(m.bind_complete() + raw(b"G", b"\0\0\0") + m.error_response({"C": "P0001"}))
    assert relay.skipping
    with pytest.raises(ClientProtocolError):
        relay.from_client(m.query(b"DROP TABLE t"))


def has_text(kind: int, body: bytes) -> bool:
    return kind in b"QP" and b"create" in body


@given(
    st.lists(st.one_of(frontend.map(lambda m: (True, m)), backend.map(lambda m: (False, m))), max_size=40), st.data()
)
def test_looking_at_texts_only_makes_no_difference(said: list[tuple[bool, bytes]], data: st.DataObject) -> None:
    """To a watch that wants only texts: the same bytes go on, the same is held, and the state is the same."""
    every, texts = (Relay(has_text, texts_only=lambda only=only: only) for only in (False, True))  # type: ignore[misc]
    for one in (every, texts):
        one.from_server(LOGIN)
    for is_client, message in said:
        cut = data.draw(st.integers(0, len(message)))
        for part in (message[:cut], message[cut:]):
            out = heard(every, is_client, part)
            assert out == heard(texts, is_client, part)
            if isinstance(out, str):
                return
            assert state(every) == state(texts)
            if every.held is not None:
                assert every.drop_held() == texts.drop_held()


def heard(relay: Relay, is_client: bool, data: bytes) -> bytes | str:
    try:
        return relay.from_client(data) if is_client else relay.from_server(data)
    except (ClientProtocolError, ServerProtocolError) as error:
        return f"{type(error).__name__}: {error}"


def state(relay: Relay) -> tuple[object, ...]:
    return (
        relay.owed,
        relay.status,
        relay.pipeline_open,
        relay.executes,
        relay.skipping,
        relay.copying,
        relay.held,
        relay.quiet,
        relay.unexpected,
    )


@given(
    st.lists(st.tuples(st.sampled_from(b"Dd"), st.integers(0, 3), st.integers(1, 60)), min_size=1), st.integers(0, 40)
)
def test_a_run_ends_where_the_first_other_header_stands(runs: list[tuple[int, int, int]], cut: int) -> None:
    stream = b"".join(raw(bytes([kind]), bytes([kind]) * size) * many for kind, size, many in runs)
    stream = stream[: len(stream) - cut]
    if len(stream) < 5 or len(stream) < (size := 1 + int.from_bytes(stream[1:5], "big")):
        return
    at = 0
    while stream[at : at + 5] == stream[:5] and at + size <= len(stream):
        at += size
    assert end_of_run(stream, 0) == at


def test_rows_that_hold_what_looks_like_messages_are_rows() -> None:
    """A run of equal rows whose values are headers of rows and a ReadyForQuery, and then the true one."""
    relay = ready()
    relay.from_client(m.query(b"select"))
    row = m.data_row([m.ready_for_query(b"E") + m.data_row([b"x"])[:5]])
    assert relay.from_server(row * 100) == row * 100
    assert (relay.status, relay.quiet) == (b"I", False)
    relay.from_server(m.command_complete(b"SELECT 100") + m.ready_for_query(b"T"))
    assert (relay.status, relay.quiet) == (b"T", True)


def test_an_error_may_be_replaced_wherever_it_was_split() -> None:
    error = m.error_response({"S": "ERROR", "C": "42P10", "M": "m"})
    other = m.error_response({"S": "ERROR", "C": "42P10", "M": "m", "D": "d"})
    rows = raw(b"D", b"x" * 9) + m.notice_response({"S": "NOTICE", "M": "n"})
    said = rows + error + m.ready_for_query(b"E")
    for at in range(len(said)):
        relay = ready()
        relay.reword = lambda body: other if b"42P10" in body else None
        relay.from_client(m.query(b"insert"))
        assert relay.from_server(said[:at]) + relay.from_server(said[at:]) == rows + other + m.ready_for_query(b"E")
        assert relay.quiet
    assert relay.status == b"E"


def test_an_error_of_any_length_goes_on() -> None:
    relay = ready()
    relay.from_client(m.query(b"insert"))
    error = m.error_response({"S": "ERROR", "M": "m" * (3 << 20)})
    pieces = [error[at : at + 99_999] for at in range(0, len(error), 99_999)]
    assert b"".join(map(relay.from_server, pieces)) == error
    relay.from_server(m.ready_for_query(b"I"))
    assert relay.quiet
