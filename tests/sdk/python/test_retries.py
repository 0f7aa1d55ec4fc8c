import unittest
import uuid

import openai

from stand import HELLO, client, mock


def fails(times, status, **more):
    """A provider that fails so many times, for this call alone, and then answers."""
    return mock(status=status, fail_times=times, id=str(uuid.uuid4()), **more)


class Retries(unittest.TestCase):
    def create(self, asking, **options):
        return asking.chat.completions.with_raw_response.create(
            **{"model": "chat", "messages": HELLO, **options}
        )

    def test_the_client_tries_again_until_it_is_answered(self):
        with client(max_retries=2) as asking:
            for status in (429, 500, 503):
                with self.subTest(status):
                    answer = self.create(asking, extra_body=fails(1, status))
                    self.assertEqual(answer.retries_taken, 1)
                    self.assertTrue(answer.parse().choices[0].message.content)

    def test_the_client_gives_up(self):
        with client(max_retries=1) as asking, self.assertRaises(openai.InternalServerError):
            self.create(asking, extra_body=fails(5, 500))

    def test_what_cannot_succeed_is_not_tried_again(self):
        with client(max_retries=2) as asking, self.assertRaises(openai.BadRequestError):
            # It would be answered at the second try.
            self.create(asking, extra_body=fails(1, 400))

    def test_the_gateway_tries_again_by_itself(self):
        with client() as asking:
            answer = self.create(asking, model="steady", extra_body=fails(1, 500))
            self.assertEqual(answer.retries_taken, 0)
            self.assertEqual(answer.headers["x-litellm-attempted-retries"], "1")

    def test_a_stream_is_tried_again_before_its_first_byte(self):
        with client() as asking:
            stream = asking.chat.completions.create(
                model="steady", messages=HELLO, stream=True, extra_body=fails(1, 503)
            )
            self.assertTrue(list(stream))


class Timeouts(unittest.TestCase):
    SLOW = mock(latency_ms=20_000)

    def test_the_client_s_own_timeout(self):
        with client(timeout=0.3) as asking, self.assertRaises(openai.APITimeoutError):
            asking.chat.completions.create(model="chat", messages=HELLO, extra_body=self.SLOW)

    def test_the_client_s_own_timeout_of_one_call(self):
        with client() as asking:
            with self.assertRaises(openai.APITimeoutError):
                asking.with_options(timeout=0.3).chat.completions.create(
                    model="chat", messages=HELLO, extra_body=self.SLOW
                )
            self.assertTrue(asking.chat.completions.create(model="chat", messages=HELLO).id)


if __name__ == "__main__":
    unittest.main()
