"""An SMPP 3.4 transceiver for Locust: binds, submits one short message at a time, answers what
the server asks, and reports each submit_sm to Locust as a request.
"""

import struct
import time

import gevent
from gevent import socket
from gevent.event import AsyncResult
from gevent.lock import Semaphore

GENERIC_NACK = 0x80000000
BIND_TRANSCEIVER, SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK = 0x09, 0x04, 0x05, 0x06, 0x15
RESPONSE = 0x80000000
HEADER = struct.Struct(">IIII")
RINVCMDID = 0x03
TIMEOUT = 30  # seconds for a connection and for an answer


class Error(Exception):
    """A submit_sm that was refused or not answered."""


def c_string(text):
    return text.encode("ascii") + b"\0"


class Bind:
    """One bind. Its reader is a greenlet, which ends with the connection."""

    def __init__(self, event, address, system_id, password):
        self.event = event
        self.sequence = 0
        self.waiting = {}  # sequence number -> AsyncResult of (command_status, body)
        self.writing = Semaphore()  # one PDU at a time
        self.socket = socket.create_connection(address, TIMEOUT)
        self.socket.settimeout(None)
        self.reader = gevent.spawn(self._read)
        body = c_string(system_id) + c_string(password) + c_string("") + bytes([0x34, 0, 0]) + c_string("")
        status, _ = self._request(BIND_TRANSCEIVER, body)
        if status:
            self.socket.close()
            raise Error(f"bind_transceiver as {system_id}: command_status 0x{status:08x}")

    def submit(self, source, destination, text):
        """Sends one message of up to 160 characters and tells Locust; returns the command_status, None without an answer."""
        began, clock = time.time(), time.perf_counter()
        status, error, body = None, None, b""
        try:
            status, body = self._request(SUBMIT_SM, submit_sm(source, destination, text))
            if status:
                error = Error(f"command_status 0x{status:08x}")
        except (OSError, gevent.Timeout, Error) as e:
            error = Error(str(e) or type(e).__name__)
        self.event.fire(
            request_type="SMPP",
            name="submit_sm",
            start_time=began,
            response_time=(time.perf_counter() - clock) * 1000,
            response_length=len(body),
            exception=error,
            context={},
        )
        return status

    def close(self):
        try:
            self._request(UNBIND, b"")
        except (OSError, gevent.Timeout, Error):
            pass  # the connection is gone, which is what we want
        self.socket.close()
        self.reader.kill()

    def _request(self, command, body):
        if self.reader.dead:
            raise Error("the server has closed the connection")
        self.sequence += 1
        sequence, answer = self.sequence, AsyncResult()
        self.waiting[sequence] = answer
        try:
            self._write(command, 0, sequence, body)
            return answer.get(timeout=TIMEOUT)
        finally:
            del self.waiting[sequence]

    def _write(self, command, status, sequence, body=b""):
        with self.writing:
            self.socket.sendall(HEADER.pack(16 + len(body), command, status, sequence) + body)

    def _read(self):
        why = "the server has closed the connection"
        try:
            with self.socket.makefile("rb") as stream:
                while len(head := stream.read(16)) == 16:
                    length, command, status, sequence = HEADER.unpack(head)
                    self._take(command, status, sequence, stream.read(length - 16))
        except OSError as e:
            why = str(e)
        for answer in list(self.waiting.values()):
            answer.set_exception(Error(why))

    def _take(self, command, status, sequence, body):
        if command & RESPONSE:
            if answer := self.waiting.get(sequence):
                answer.set((status, body))
        elif command == DELIVER_SM:
            self._write(command | RESPONSE, 0, sequence, b"\0")  # with an empty message_id
        elif command in (ENQUIRE_LINK, UNBIND):
            self._write(command | RESPONSE, 0, sequence)
        else:
            self._write(GENERIC_NACK, RINVCMDID, sequence)


def submit_sm(source, destination, text):
    short = text.encode("ascii")  # without the characters that GSM 03.38 has elsewhere
    return b"".join((
        c_string(""),  # service_type
        bytes([5, 0]), c_string(source),  # alphanumeric
        bytes([1, 1]), c_string(destination),  # international, E.164
        bytes([0, 0, 0]),  # esm_class, protocol_id, priority_flag
        c_string(""), c_string(""),  # schedule_delivery_time, validity_period
        bytes([1, 0, 0, 0]),  # registered_delivery, replace_if_present, data_coding, sm_default_msg_id
        bytes([len(short)]), short,
    ))
