#!/usr/bin/env python3
"""Two providers behind the gateway, 500 requests a second; one is killed and comes back. Nobody may notice.

    cargo build --release && scripts/outage_drill.py target/release/tollgate [--plot docs/outage-drill.svg]

Starts two `tollgate mock` and the gateway in front of them, all on loopback; kills one mock after a third of the time and
starts it again after two thirds. Exit code 1 where a request failed, or the 99th percentile of the outage or of the time
after it is more than twice that before. Needs Python 3.9 and nothing else.
"""

import argparse
import asyncio
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

KEY = "sk-outage-drill-00000001"
BODY = b'{"model":"pair","messages":[{"role":"user","content":"Hello"}]}'
PATIENCE_S = 15.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def mock(binary, port):
    """A provider that takes 20 ms; returns once it listens."""
    process = subprocess.Popen(
        [binary, "mock", "--port", str(port), "--latency-ms", "20"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(port)
    return process


def wait_for(port):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"nobody listens on port {port}")


def configuration(ports):
    entry = "  - {{model_name: pair, litellm_params: {{model: openai/up, api_base: 'http://127.0.0.1:{}/v1', api_key: k}}, model_info: {{id: {}}}}}\n"
    models = entry.format(ports[0], "stays") + entry.format(ports[1], "dies")
    return f"model_list:\n{models}router_settings: {{cooldown_time: 1}}\ngeneral_settings: {{master_key: {KEY}}}\n"


class Clients:
    """Requests at a steady pace over kept connections; a request waits for nobody but the pace."""

    def __init__(self, port):
        self.port, self.idle, self.seen = port, [], []
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: drill\r\nauthorization: Bearer {KEY}\r\n"
        self.request = (head + f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n").encode() + BODY

    async def one(self, at):
        began, status, by = time.monotonic(), 0, ""
        try:
            pair = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
            pair[1].write(self.request)
            head = (await asyncio.wait_for(pair[0].readuntil(b"\r\n\r\n"), PATIENCE_S)).decode("latin-1")
            await pair[0].readexactly(int(re.search(r"(?i)content-length: (\d+)", head)[1]))
            status, by = int(head.split(" ", 2)[1]), re.search(r"(?i)x-litellm-model-id: (\S+)", head)[1]
            self.idle.append(pair)
        except (OSError, TypeError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            print(f"at {at:.2f} s: {error!r}", file=sys.stderr)
        self.seen.append((at, status, by, time.monotonic() - began))


async def drill(binary, rate, seconds):
    ports = [free_port(), free_port(), free_port()]
    with tempfile.TemporaryDirectory() as directory:
        config = pathlib.Path(directory, "config.yaml")
        config.write_text(configuration(ports))
        stays, dies = mock(binary, ports[0]), mock(binary, ports[1])
        arguments = [binary, "--config", str(config), "--port", str(ports[2]), "--json_logs"]
        gateway = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(ports[2])
            clients, began, tasks, third = Clients(ports[2]), time.monotonic(), [], seconds / 3
            for number in range(int(rate * seconds)):
                at = number / rate
                await asyncio.sleep(max(0.0, began + at - time.monotonic()))
                if dies and third <= at < 2 * third:
                    dies.send_signal(signal.SIGKILL)
                    dies.wait()
                    dies = None
                if not dies and at >= 2 * third:
                    dies = await asyncio.to_thread(mock, binary, ports[1])
                tasks.append(asyncio.create_task(clients.one(at)))
            await asyncio.gather(*tasks)
            return clients.seen
        finally:
            for process in (gateway, stays, dies):
                if process:
                    process.kill()
                    process.wait()


def p99(seen):
    times = sorted(took for *_, took in seen)
    return 1000 * times[min(len(times) - 1, int(len(times) * 0.99))] if times else 0.0


def plot(seen, seconds, path):
    """Requests a second by deployment, and the 99th percentile, each half second."""
    step, wide, high = 0.5, 640, 150
    bins = [[one for one in seen if start <= one[0] < start + step] for start in (step * n for n in range(int(seconds / step)))]
    rates = {by: [sum(one[2] == by for one in some) / step for some in bins] for by in ("stays", "dies")}
    panels = [("requests/s", {"stays": rates["stays"], "dies": rates["dies"]}), ("p99, ms", {"all": [p99(some) for some in bins]})]
    colours = {"stays": "#2b6cb0", "dies": "#c05621", "all": "#2f855a"}
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide + 80} {2 * high + 90}" font-family="sans-serif" font-size="11">']
    out.append('<rect width="100%" height="100%" fill="white"/>')
    for index, (title, lines) in enumerate(panels):
        top, most = 20 + index * (high + 35), max(max(values) for values in lines.values()) * 1.1 or 1.0
        out.append(f'<rect x="50" y="{top}" width="{wide}" height="{high}" fill="none" stroke="#999"/>')
        out.append(f'<rect x="{50 + wide / 3}" y="{top}" width="{wide / 3}" height="{high}" fill="#fed7d7" opacity="0.5"/>')
        out.append(f'<text x="55" y="{top + 14}">{title}</text><text x="8" y="{top + 10}">{most:.0f}</text><text x="38" y="{top + high}">0</text>')
        for turn, (name, values) in enumerate(lines.items()):
            points = " ".join(f"{50 + wide * (n + 0.5) / len(values):.1f},{top + high - high * value / most:.1f}" for n, value in enumerate(values))
            out.append(f'<polyline points="{points}" fill="none" stroke="{colours[name]}" stroke-width="1.5"/>')
            out.append(f'<text x="{wide - 20}" y="{top + 14 + 14 * turn}" fill="{colours[name]}">{name}</text>')
    out.append(f'<text x="50" y="{2 * high + 75}">seconds 0 to {seconds:.0f}; red: the provider that dies is gone</text></svg>')
    pathlib.Path(path).write_text("\n".join(out) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=18)
    parser.add_argument("--plot", metavar="FILE")
    options = parser.parse_args()
    seen = asyncio.run(drill(options.binary, options.rate, options.seconds))
    third = options.seconds / 3
    parts = [[one for one in seen if part * third <= one[0] < (part + 1) * third] for part in range(3)]
    for name, part in zip(("before", "outage", "after"), parts):
        by = {id: sum(one[2] == id for one in part) for id in ("stays", "dies")}
        failed = sum(one[1] != 200 for one in part)
        print(f"{name:<7} {len(part):>6} requests  {failed} failed  p99 {p99(part):6.1f} ms  stays {by['stays']}  dies {by['dies']}")
    if options.plot:
        plot(seen, options.seconds, options.plot)
    failed = sum(one[1] != 200 for one in seen)
    slow = max(p99(parts[1]), p99(parts[2])) > 2 * p99(parts[0])
    return 1 if failed or slow else 0


if __name__ == "__main__":
    sys.exit(main())
