"""A registry of many things: what an operation costs there, and how fast the fleet index answers.

``python bench/registry.py [--things N] [--count N] [--connections N] [--set key=value]
[--moto PATH-OF-moto_server]``

The things, of ten attributes each, are put into the database of a node that is not running, in big commits;
the node then builds their index, and everything that is measured goes over HTTP as from any client: signed
requests that were made beforehand, and a client that writes bytes and reads a status. Server CPU is of the
node's process, indexing included. PUBACKs are measured by a process of its own, with QoS 1 over mutual TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import shlex
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import boto3
from asking import Connection, Spread, replay, signed, spread
from botocore.config import Config
from registering import Server, cpu_seconds, moto, sekisho
from report import machine
from things import REGION, TYPE, attributes, fill

from api.making import ROLE, csr, document, template, thing_resource

WARM = 200
PAUSE = 0.02
BULK_LINES = 8000
MOTO_CONNECTIONS = 8
SEARCHES = 40
PUBACK_SECONDS = 12.0
ASKED_RATE, ASKED_CPU, ASKED_P99 = 1000, 0.8, 10
ASKED_SEARCH, ASKED_AGGREGATION, ASKED_PUBACK = 50, 3000, 20
"""A second; milliseconds, all others."""


def creation(server: Server, number: int) -> bytes:
    members = {"attributePayload": {"attributes": attributes(number)}, "thingTypeName": TYPE}
    return signed(server, "POST", f"/things/made-{number}", members)


def search(server: Server, query: str) -> bytes:
    return signed(server, "POST", "/indices/search", {"queryString": query})


MOTOS = 500
"""Things that moto makes; one after the other, in memory and without an index."""


def by_moto(folder: Path, program: str) -> float:
    """How many of the same things moto makes a second."""
    with moto(folder, program) as server:
        asyncio.run(Connection(server.port).ask(signed(server, "POST", f"/thing-types/{TYPE}", {})))
        requests = [creation(server, number) for number in range(WARM + MOTOS)]
        asyncio.run(replay(server.port, requests[:WARM], MOTO_CONNECTIONS))
        began = time.perf_counter()
        asyncio.run(replay(server.port, requests[WARM:], MOTO_CONNECTIONS))
        return MOTOS / (time.perf_counter() - began)


class Created(NamedTuple):
    rate: float
    cpu_ms: float
    latency: Spread
    lag: Spread
    rest: float
    """Seconds after the last answer until the last thing was found."""


async def create(server: Server, numbers: range, connections: int) -> Created:
    requests = [creation(server, number) for number in numbers]
    await replay(server.port, requests[:WARM], connections)
    requests = requests[WARM:]
    lags: list[float] = []
    over = asyncio.Event()

    async def watch() -> None:
        """One more thing now and then, and how long until a search finds it."""
        connection, number = Connection(server.port), numbers.stop
        while not over.is_set():
            await connection.ask(creation(server, number))
            lags.append(await until_found(connection, server, number))
            number += 1
            await asyncio.sleep(0.2)

    watching = asyncio.create_task(watch())
    before, began = cpu_seconds(server.process), time.perf_counter()
    latencies = await replay(server.port, requests, connections)
    took = time.perf_counter() - began
    rest = await until_found(Connection(server.port), server, numbers.stop - 1)
    used = cpu_seconds(server.process) - before
    over.set()
    await watching
    each = 1000 * used / len(requests)
    return Created(len(requests) / took, each, spread(latencies), spread(lags), rest)


async def until_found(connection: Connection, server: Server, number: int) -> float:
    began = time.perf_counter()
    message = search(server, f"thingName:made-{number}")
    while b"made-" not in await connection.ask(message):  # noqa: ASYNC110
        await asyncio.sleep(PAUSE)
    return time.perf_counter() - began


async def described(server: Server, count: int, wanted: int, going: Callable[[], bool]) -> list[float]:
    """DescribeThing of things anywhere, paced, while something else goes on."""
    found: list[float] = []
    connection, dice = Connection(server.port), random.Random(1)
    while len(found) < wanted and going():
        message = signed(server, "GET", f"/things/thing-{dice.randrange(count):07}")
        began = time.perf_counter()
        await connection.ask(message)
        found.append(time.perf_counter() - began)
        await asyncio.sleep(0.003)
    return found


def during_bulk(server: Server, count: int, client: Callable[[str], Any]) -> tuple[Spread, int]:
    """DescribeThing while a bulk registration runs."""
    body = template({"thing": thing_resource()}, "Name", "CSR")
    made = json.loads(body)
    made["Resources"]["certificate"] = {
        "Type": "AWS::IoT::Certificate",
        "Properties": {"CertificateSigningRequest": {"Ref": "CSR"}, "Status": "ACTIVE"},
    }
    made["Resources"]["policy"] = {
        "Type": "AWS::IoT::Policy",
        "Properties": {"PolicyDocument": document("bench")},
    }
    s3, iot, request = client("s3"), client("iot"), csr("bench")
    s3.create_bucket(Bucket="bench")
    lines = (json.dumps({"Name": f"bulk-{number}", "CSR": request}) + "\n" for number in range(BULK_LINES))
    s3.put_object(Bucket="bench", Key="in", Body="".join(lines).encode())
    task = iot.start_thing_registration_task(
        templateBody=json.dumps(made), inputFileBucket="bench", inputFileKey="in", roleArn=ROLE
    )["taskId"]
    found = asyncio.run(described(server, count, 1000, lambda: True))
    state = iot.describe_thing_registration_task(taskId=task)
    done = state["successCount"]
    while iot.describe_thing_registration_task(taskId=task)["status"] == "InProgress":
        time.sleep(0.5)
    return spread(found), done


QUERIES: dict[str, Callable[[random.Random, int], str]] = {
    "one thing by name": lambda dice, count: f"thingName:thing-{dice.randrange(count):07}",
    "one thing by any field": lambda dice, count: f"sn{dice.randrange(count):09}",
    "two attributes": lambda dice, _: (
        f"attributes.site:site-{dice.randrange(1000):03} AND attributes.colour:red"
    ),
    "an attribute and a range": lambda dice, _: (
        f"attributes.site:site-{dice.randrange(1000):03} AND attributes.temperature>50"
    ),
    "a prefix": lambda dice, count: f"thingName:thing-{dice.randrange(count // 100 + 1):05}*",
    "a range of numbers": lambda dice, _: (
        f"attributes.power:[{(low := dice.randrange(99_000))} TO {low + 20}]"
    ),
    "either of two": lambda dice, _: (
        f"attributes.batch:batch-{dice.randrange(5000)} OR attributes.batch:batch-{dice.randrange(5000)}"
    ),
    "all but": lambda dice, _: f"NOT attributes.colour:red attributes.model:model-{dice.randrange(20)}",
}


def searches(server: Server, count: int) -> dict[str, Spread]:
    dice = random.Random(7)
    found = {}
    for name, query in QUERIES.items():
        requests = [search(server, query(dice, count)) for _ in range(SEARCHES)]
        found[name] = spread(asyncio.run(replay(server.port, requests, 1)))
    return found


AGGREGATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "statistics of *": ("statistics", {"queryString": "*", "aggregationField": "attributes.temperature"}),
    "percentiles of *": ("percentiles", {"queryString": "*", "aggregationField": "attributes.temperature"}),
    "buckets of *": (
        "buckets",
        {
            "queryString": "*",
            "aggregationField": "attributes.model",
            "bucketsAggregationType": {"termsAggregation": {"maxBuckets": 100}},
        },
    ),
    "cardinality of *": ("cardinality", {"queryString": "*", "aggregationField": "attributes.serial"}),
    "statistics of a quarter": (
        "statistics",
        {"queryString": "attributes.colour:red", "aggregationField": "attributes.temperature"},
    ),
    "statistics of a hundredth": (
        "statistics",
        {"queryString": "attributes.line:line-7", "aggregationField": "attributes.temperature"},
    ),
    "buckets of all but a quarter": (
        "buckets",
        {
            "queryString": "NOT attributes.colour:red",
            "aggregationField": "attributes.model",
            "bucketsAggregationType": {"termsAggregation": {"maxBuckets": 100}},
        },
    ),
}


def aggregations(server: Server) -> dict[str, Spread]:
    found = {}
    for name, (kind, members) in AGGREGATIONS.items():
        requests = [signed(server, "POST", f"/indices/{kind}", members) for _ in range(3)]
        found[name] = spread(asyncio.run(replay(server.port, requests, 1)))
    return found


# --- acknowledgements ---


def pubacks(address: tuple[str, int], files: tuple[str, str, str], seconds: float, out: Any) -> None:
    """In a process of its own: QoS 1, the next when the last is acknowledged, and below the limit of rate."""
    import paho.mqtt.client as mqtt

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bench-pubacks")
    ca, certificate, key = files
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(certificate, key)
    client.tls_set_context(context)
    client.connect(*address)
    client.loop_start()
    found = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        client.publish("bench/a", b"x" * 200, qos=1).wait_for_publish(10)
        found.append(time.perf_counter() - began)
        time.sleep(0.012)
    client.disconnect()
    client.loop_stop()
    out.put(found)


def acknowledged(node: Path, server: Server, files: tuple[str, str, str], beside: Sequence[bytes]) -> Spread:
    """PUBACKs, with these requests going on all the while, one after the other."""
    endpoints = json.loads((node / "endpoints.json").read_text())
    host, _, port = endpoints["mqtt"].rpartition(":")
    context = multiprocessing.get_context("spawn")
    out: Any = context.Queue()
    process = context.Process(target=pubacks, args=((host, int(port)), files, PUBACK_SECONDS, out))
    process.start()

    async def go() -> None:
        connection = Connection(server.port)
        while process.is_alive() and out.empty():
            for message in beside:
                await connection.ask(message)
            if not beside:
                await asyncio.sleep(0.1)

    asyncio.run(go())
    found = out.get(timeout=10)
    process.join()
    return spread(found[20:])


def device(folder: Path, iot: Any) -> tuple[str, str, str]:
    """The files of a certificate that may do everything."""
    made = iot.create_keys_and_certificate(setAsActive=True)
    allowed = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    iot.create_policy(
        policyName="bench-all",
        policyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    iot.attach_policy(policyName="bench-all", target=made["certificateArn"])
    certificate, key = folder / "device.pem", folder / "device.key"
    certificate.write_text(made["certificatePem"])
    key.write_text(made["keyPair"]["PrivateKey"])
    return str(folder / "node" / "ca.pem"), str(certificate), str(key)


# --- the run ---


def memory(process: int) -> tuple[int, int]:
    """Resident now, and at most so far; MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return tuple(int(status.partition(name)[2].split()[0]) // 1024 for name in ("VmRSS:", "VmHWM:"))  # type: ignore[return-value]


def wait_active(iot: Any) -> float:
    began = time.perf_counter()
    while iot.describe_index(indexName="AWS_Things")["indexStatus"] != "ACTIVE":
        time.sleep(0.2)
    return time.perf_counter() - began


def lines(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    node, count = folder / "node", options.things
    with sekisho(folder, options.set):
        pass
    filled = fill(node / "sekisho.db", count)
    bare = (node / "sekisho.db").stat().st_size
    (node / "endpoints.json").unlink()
    yield f"{count:,} things put into the database in {filled:.0f} s: {bare / 2**20:,.0f} MiB\n"
    with sekisho(folder, options.set) as server:
        secrets = server.credentials

        def client(service: str) -> Any:
            return boto3.client(
                service,
                REGION,
                endpoint_url=f"http://127.0.0.1:{server.port}",
                aws_access_key_id=secrets.access_key,
                aws_secret_access_key=secrets.secret_key,
                config=Config(retries={"total_max_attempts": 1}, proxies={}),
            )

        iot = client("iot")
        iot.create_thing_type(thingTypeName=TYPE)
        fields = {"temperature": "Number", "model": "String", "serial": "String"}
        before = cpu_seconds(server.process)
        iot.update_indexing_configuration(
            thingIndexingConfiguration={
                "thingIndexingMode": "REGISTRY",
                "customFields": [{"name": f"attributes.{n}", "type": t} for n, t in fields.items()],
            }
        )
        built, used = wait_active(iot), cpu_seconds(server.process) - before
        whole = (node / "sekisho.db").stat().st_size
        yield (
            f"their index built in {built:.0f} s, {1e6 * used / count:.0f} µs of CPU a thing;"
            f" the database is {whole / 2**20:,.0f} MiB, of which {(whole - bare) / count:,.0f} bytes a thing"
            f" are the index\n"
        )
        yield "| | | asked |\n|---|---|---|"
        made = asyncio.run(create(server, range(options.count + WARM), options.connections))
        yield f"| CreateThing, a second | {made.rate:.0f} | {ASKED_RATE} |"
        if options.moto:
            rate = by_moto(folder, options.moto)
            yield f"| … by moto, a second: Sekisho / moto | {rate:.0f}: {made.rate / rate:.1f} × | 5 × |"
        yield f"| … server CPU each, ms | {made.cpu_ms:.2f} | {ASKED_CPU} |"
        yield f"| … {options.connections} at a time, ms: median / p99 / most | {made.latency} | |"
        yield f"| … found by a search after, ms | {made.lag} | 1000 |"
        yield f"| … the last one found after the last answer, ms | {1000 * made.rest:.0f} | 1000 |"
        alone = asyncio.run(described(server, count, 1000, lambda: True))
        yield f"| DescribeThing, ms | {spread(alone)} | |"
        bulk, done = during_bulk(server, count, client)
        yield f"| … while a bulk registration runs ({done} lines done) | {bulk} | p99 {ASKED_P99} |"
        for name, found in searches(server, count).items():
            yield f"| search: {name}, ms | {found} | {ASKED_SEARCH} |"
        for name, found in aggregations(server).items():
            yield f"| {name}, ms | {found} | {ASKED_AGGREGATION} |"
        files = device(folder, iot)
        quiet = acknowledged(node, server, files, ())
        yield f"| PUBACK, ms | {quiet} | |"
        beside = [
            signed(server, "POST", f"/indices/{kind}", members) for kind, members in AGGREGATIONS.values()
        ]
        busy = acknowledged(node, server, files, beside)
        yield f"| … while one aggregation follows the other | {busy} | {ASKED_PUBACK} more |"
        now, most = memory(server.process)
        yield f"| memory of the node, MB, now / most | {now} / {most} | |"
    size = (node / "sekisho.db").stat().st_size
    yield f"| database, MiB | {size / 2**20:,.0f} | |"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Measure a registry of many things and its index.")
    parser.add_argument("--things", type=int, default=100_000)
    parser.add_argument("--count", type=int, default=5000, help="things made over HTTP")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--set", action="append", default=[], help="key=value, a setting of the node")
    parser.add_argument("--moto", help="path of moto_server")
    options = parser.parse_args(arguments)
    if options.moto and not Path(options.moto).is_file():
        parser.error(f"there is no {options.moto}; make .venv-moto/.done installs it")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("\n".join(machine(folder)))
        print(shlex.join(["python", "bench/registry.py", *arguments]) + "\n", flush=True)
        for line in lines(options, folder):
            print(line, flush=True)
        print(f"\nload average of the minute before the end: {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
