import unittest

import openai

from stand import client


class Completions(unittest.TestCase):
    def setUp(self):
        self.client = client()
        self.addCleanup(self.client.close)

    def test_a_prompt_is_completed(self):
        answer = self.client.completions.create(model="instruct", prompt="Once upon a time")
        self.assertEqual((answer.object, answer.model), ("text_completion", "instruct"))
        self.assertTrue(answer.choices[0].text)
        self.assertGreater(answer.usage.total_tokens, 0)

    def test_a_prompt_is_completed_as_a_stream(self):
        chunks = list(self.client.completions.create(model="instruct", prompt="Once", stream=True))
        self.assertEqual({chunk.model for chunk in chunks}, {"instruct"})
        self.assertTrue("".join(chunk.choices[0].text for chunk in chunks))


class Embeddings(unittest.TestCase):
    def setUp(self):
        self.client = client()
        self.addCleanup(self.client.close)

    def test_one_vector_however_it_is_encoded(self):
        # The SDK asks for base64 unless told otherwise, and decodes it.
        packed = self.client.embeddings.create(model="embed", input="hello")
        plain = self.client.embeddings.create(model="embed", input="hello", encoding_format="float")
        self.assertEqual((packed.model, plain.model), ("embed", "embed"))
        self.assertEqual(len(packed.data[0].embedding), len(plain.data[0].embedding))
        for one, other in zip(packed.data[0].embedding, plain.data[0].embedding):
            self.assertAlmostEqual(one, other, places=5)
        self.assertGreater(plain.usage.prompt_tokens, 0)

    def test_one_vector_for_each_input(self):
        answer = self.client.embeddings.create(model="embed", input=["a", "b", "c"])
        self.assertEqual([entry.index for entry in answer.data], [0, 1, 2])

    def test_the_length_that_was_asked_for(self):
        answer = self.client.embeddings.create(model="embed", input="hello", dimensions=16)
        self.assertEqual(len(answer.data[0].embedding), 16)


class Models(unittest.TestCase):
    def test_a_key_sees_the_models_it_may_call(self):
        with client() as everything, client("narrow") as narrow:
            names = {model.id for model in everything.models.list()}
            self.assertLessEqual({"chat", "instruct", "embed"}, names)
            self.assertEqual([model.id for model in narrow.models.list()], ["chat"])

    def test_one_model(self):
        with client() as everything:
            model = everything.models.retrieve("chat")
            self.assertEqual((model.id, model.object), ("chat", "model"))

    def test_a_model_that_is_not_there_or_not_to_be_seen(self):
        with client("narrow") as narrow:
            for name in ("nowhere", "embed"):
                with self.subTest(name), self.assertRaises(openai.NotFoundError):
                    narrow.models.retrieve(name)


if __name__ == "__main__":
    unittest.main()
