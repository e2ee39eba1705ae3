"""The built-in scenario "messaging" of `protei-bulk load`, for Locust.

    locust -f locustfile.py --host=http://localhost:8080 --users 100 --spawn-rate 10 --run-time 1m --headless

README.md has what is the same in both and what is not.
"""

import itertools
import logging
import random
import uuid
from collections import Counter, deque
from urllib.parse import urlsplit

from locust import FastHttpUser, User, between, constant_throughput, events, task

import esme
import shapes

SENDER = "LoadTest"
TEXT = "Protei_Bulk load test, message "

messages = Counter()  # of this process: sent, and of those accepted and refused
sequence = itertools.count(1)
process = uuid.uuid4().hex[:8]


@events.init_command_line_parser.add_listener
def add_options(parser):
    parser.add_argument("--shape", choices=sorted(shapes.SHAPES), help="Load shape; --users sets its peak")
    parser.add_argument("--api-key", default="dev-api-key", include_in_web_ui=False, help="Sent as X-API-Key")
    parser.add_argument("--smpp", default="dev:devpass1", include_in_web_ui=False, help="system_id:password[@host:port] of SMPPUser")


@events.init.add_listener
def choose_shape(environment, **_):
    options = environment.parsed_options
    offered = {name: shapes.Stages(corners, options.num_users) for name, corners in shapes.SHAPES.items()}
    for shape in offered.values():
        shape.runner = environment.runner
    environment.available_shape_classes = offered  # of --class-picker
    if options.shape:
        environment.shape_class = offered[options.shape]


@events.report_to_master.add_listener
def report(data, **_):
    data["messages"] = dict(messages)
    messages.clear()


@events.worker_report.add_listener
def take_report(data, **_):
    messages.update(data.get("messages", {}))


@events.quitting.add_listener
def tell(environment, **_):
    if not environment.parsed_options.worker:
        sent, accepted, refused = (messages[k] for k in ("sent", "accepted", "refused"))
        logging.getLogger("messaging").info(
            "messages: %d sent, %d accepted, %d refused, %d without an answer", sent, accepted, refused, sent - accepted - refused
        )


def message():
    n = next(sequence)
    return {"to": f"9665{random.randrange(10**8):08}", "text": f"{TEXT}{n}", "client_ref": f"{process}-{n}"}


class MessagingUser(FastHttpUser):
    weight = 99
    wait_time = between(0.1, 0.5)

    def on_start(self):
        self.headers = {"X-API-Key": self.environment.parsed_options.api_key}
        self.sent = deque(maxlen=100)  # ids of messages that this user was given

    def ask(self, method, path, expect, name=None, body=None):
        """Returns the status, 0 when no answer came, and the document of the expected one."""
        # A dict of its own each time: Locust adds to it.
        with self.client.request(method, path, name=name, json=body, headers=dict(self.headers), catch_response=True) as answer:
            status, document = answer.status_code, {}
            if status != expect:
                answer.failure(f"{status} {(answer.text or answer.error or '')!s:.200}")
                return status, document
            try:
                document = answer.json()
            except ValueError:
                answer.failure("no JSON")
            if document.get("errors"):
                answer.failure(f"refused: {document['errors'][0]}")
            return status, document

    def send(self, path, body, ids, count=1):
        """Sends count messages; ids finds those of the accepted ones in the answer."""
        messages["sent"] += count  # before: at its end Locust cuts off requests
        status, document = self.ask("POST", path, 201, body={"from": SENDER, **body})
        given = ids(document)
        messages["accepted"] += len(given)
        if status:
            messages["refused"] += count - len(given)
        self.sent.extend(given)

    @task(10)
    def send_single(self):
        self.send("/api/v1/messages", message(), lambda d: [d["message_id"]] if d else [])

    @task(5)
    def send_bulk(self):
        items = [message() for _ in range(random.randint(5, 15))]
        self.send("/api/v1/messages/bulk", {"messages": items}, lambda d: d.get("message_ids", []), len(items))

    @task(3)
    def query_status(self):
        if not self.sent:
            self.send_single()
            return
        self.ask("GET", f"/api/v1/messages/{random.choice(self.sent)}", 200, name="/api/v1/messages/[id]")

    @task(2)
    def list_messages(self):
        self.ask("GET", "/api/v1/messages?page=1&limit=20", 200, name="/api/v1/messages")

    @task(1)
    def create_campaign(self):
        self.ask(
            "POST",
            "/api/v1/campaigns",
            201,
            body={
                "name": f"Load test campaign {random.getrandbits(32)}",
                "sender_id": SENDER,
                "message_content": TEXT + "campaign",
                "recipient_type": "UPLOAD",
                "total_recipients": 1000,
                "schedule_type": "IMMEDIATE",
                "priority": "NORMAL",
            },
        )


class SMPPUser(User):
    weight = 1
    wait_time = constant_throughput(200)

    def on_start(self):
        credentials, _, address = self.environment.parsed_options.smpp.partition("@")
        system_id, _, password = credentials.partition(":")
        host, _, port = address.rpartition(":")
        self.bind = esme.Bind(
            self.environment.events.request,
            (host or urlsplit(self.host).hostname, int(port or 2775)),
            system_id,
            password,
        )

    def on_stop(self):
        self.bind.close()

    @task
    def submit(self):
        m = message()
        messages["sent"] += 1
        status = self.bind.submit(SENDER, m["to"], m["text"])
        if status is not None:
            messages["refused" if status else "accepted"] += 1
