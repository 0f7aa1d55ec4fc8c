"""Holds requests against the specifications of the APIs that they are for.

Reads lines of JSON from standard input, {"where": ..., "api": ..., "body": ...}, and prints a line for each request that its
specification would not take. The specifications lie in the directory that is the first argument.
"""

import functools
import json
import pathlib
import sys

import jsonschema
import yaml

SPECS = pathlib.Path(sys.argv[1])
SCALARS = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "bytes(base64)": {"type": "string", "pattern": "^[A-Za-z0-9+/_-]*={0,2}$"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "int32": {"type": "integer"},
    "uint32": {"type": "integer"},
    "int64(string)": {"type": ["integer", "string"]},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Empty": {"type": "object"},
}


def load(path):
    text = (SPECS / path).read_text()
    if path.endswith(".json"):
        return json.loads(text)
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def closed(schema):
    """The schema with objects that have no members but those that it names."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


def anthropic():
    defs = load("anthropic/messages.params.schema.json")["$defs"]
    request = defs["MessageCountTokensParams"]
    request["properties"] |= {
        "max_tokens": {"type": "integer", "minimum": 1},
        "stream": {"type": "boolean"},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "top_p": {"type": "number"},
        "top_k": {"type": "integer"},
        "stop_sequences": {"type": "array", "items": {"type": "string"}},
        "metadata": {"type": "object"},
        "service_tier": {"enum": ["auto", "standard_only"]},
    }
    request["required"] = ["model", "messages", "max_tokens"]
    return closed({"$ref": "#/$defs/MessageCountTokensParams", "$defs": defs})


def cohere():
    defs = load("cohere/types.schema.json")["$defs"]
    # The SDK's types say null where the API has nothing, and are open because newer servers answer more.
    for name in defs:
        if defs[name].get("additionalProperties") is True and ("V2" in name or name == "Thinking"):
            del defs[name]["additionalProperties"]
    members = {
        "model": {"type": "string"},
        "messages": {"type": "array", "items": {"$ref": "#/$defs/ChatMessageV2"}, "minItems": 1},
        "tools": {"type": "array", "items": {"$ref": "#/$defs/ToolV2"}},
        "strict_tools": {"type": "boolean"},
        "documents": {"type": "array"},
        "citation_options": {"type": "object"},
        "response_format": {"$ref": "#/$defs/ResponseFormatV2"},
        "safety_mode": {"type": "string"},
        "max_tokens": {"type": "integer"},
        "stop_sequences": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
        "temperature": {"type": "number"},
        "seed": {"type": "integer"},
        "frequency_penalty": {"type": "number"},
        "presence_penalty": {"type": "number"},
        "k": {"type": "integer"},
        "p": {"type": "number"},
        "logprobs": {"type": "boolean"},
        "tool_choice": {"enum": ["REQUIRED", "NONE"]},
        "thinking": {"$ref": "#/$defs/Thinking"},
        "priority": {"type": "integer"},
        "stream": {"type": "boolean"},
    }
    request = {"type": "object", "properties": members, "required": ["model", "messages"]}
    return closed(request | {"$defs": defs})


def ollama():
    defs = load("ollama/ollama-python.types.schema.json")["$defs"]
    # What a message is in the SDK's words is looser than what it sends.
    defs["ChatRequest"]["properties"]["messages"] = {"type": "array", "items": {"$ref": "#/$defs/Message"}}
    defs["Message"]["properties"]["images"] = {"type": "array", "items": {"type": "string"}}
    defs["Message"]["properties"]["tool_call_id"] = {"type": "string"}
    defs["ToolCall"]["properties"] |= {"id": {"type": "string"}, "type": {"const": "function"}}
    # Any schema is taken; the SDK only makes simple ones. Its two kinds of functions have one name.
    defs["ollama___types__Tool__Function"]["properties"]["parameters"] = {"type": "object"}
    defs["Tool"]["properties"]["function"] = {"$ref": "#/$defs/ollama___types__Tool__Function"}
    return closed({"$ref": "#/$defs/ChatRequest", "$defs": defs})


def gemini():
    spec = load("gemini/generativelanguage.v1beta.messages.json")

    def field(kind):
        if kind.startswith("map<"):
            return {"type": "object", "additionalProperties": field(kind[4:-1].split(",", 1)[1].strip())}
        if kind.startswith("enum "):
            return {"enum": spec["enums"].get(kind[5:], [])}
        if kind in spec["messages"]:
            return {"$ref": "#/$defs/" + kind}
        return SCALARS.get(kind, {})

    defs = {}
    for name, fields in spec["messages"].items():
        members = {}
        for member, what in fields.items():
            one = field(what["type"])
            members[member] = {"type": "array", "items": one} if what.get("repeated") else one
        defs[name] = {"type": "object", "properties": members, "additionalProperties": False}
        # At most one of a group.
        groups = {}
        for member, what in fields.items():
            if "oneof" in what:
                groups.setdefault(what["oneof"], []).append(member)
        pairs = [[a, b] for group in groups.values() for a in group for b in group if a < b]
        if pairs:
            defs[name]["not"] = {"anyOf": [{"required": pair} for pair in pairs]}
    # Newer than the list of messages: JSON Schema beside Gemini's own.
    base = "google.ai.generativelanguage.v1beta."
    for name, member in [
        ("FunctionDeclaration", "parametersJsonSchema"),
        ("FunctionDeclaration", "responseJsonSchema"),
        ("GenerationConfig", "responseJsonSchema"),
        ("GenerationConfig", "_responseJsonSchema"),
        ("GenerationConfig", "thinkingConfig"),
        ("GenerationConfig", "seed"),
    ]:
        defs[base + name]["properties"].setdefault(member, {})
    return {"$ref": "#/$defs/" + base + "GenerateContentRequest", "$defs": defs}


def vertex():
    schemas = load("gemini/aiplatform.v1.trimmed.json")["schemas"]

    def convert(schema):
        if "$ref" in schema:
            return {"$ref": "#/$defs/" + schema["$ref"]}
        kind = schema.get("type")
        if kind == "any":
            return {}
        out = {"type": kind}
        if "enum" in schema:
            out["enum"] = schema["enum"]
        if kind == "string" and schema.get("format") in ("int64", "uint64"):
            out["type"] = ["string", "integer"]
        if "items" in schema:
            out["items"] = convert(schema["items"])
        if kind == "object":
            out["properties"] = {name: convert(part) for name, part in schema.get("properties", {}).items()}
            more = schema.get("additionalProperties")
            out["additionalProperties"] = convert(more) if more else False
        return out

    defs = {name: convert(schema) for name, schema in schemas.items()}
    return {"$ref": "#/$defs/GoogleCloudAiplatformV1GenerateContentRequest", "$defs": defs}


def bedrock():
    shapes = load("bedrock/service-2.json")["shapes"]

    def convert(shape):
        kind = shape["type"]
        if shape.get("document"):
            return {}
        if kind == "structure":
            inside = {
                name: member
                for name, member in shape["members"].items()
                if member.get("location") is None
            }
            out = {
                "type": "object",
                "properties": {name: {"$ref": "#/$defs/" + member["shape"]} for name, member in inside.items()},
                "required": [name for name in shape.get("required", []) if name in inside],
                "additionalProperties": False,
            }
            if shape.get("union"):
                out |= {"minProperties": 1, "maxProperties": 1}
            return out
        if kind == "list":
            out = {"type": "array", "items": {"$ref": "#/$defs/" + shape["member"]["shape"]}}
            return out | {"minItems": shape["min"]} if "min" in shape else out
        if kind == "map":
            return {"type": "object", "additionalProperties": {"$ref": "#/$defs/" + shape["value"]["shape"]}}
        if kind in ("string", "blob"):
            out = {"type": "string"}
            if "enum" in shape:
                out["enum"] = shape["enum"]
            if "pattern" in shape and kind == "string":
                out["pattern"] = "^(?:" + shape["pattern"] + ")$"
            if "min" in shape and kind == "string":
                out["minLength"] = shape["min"]
            return out
        out = {"type": {"boolean": "boolean", "integer": "integer", "long": "integer"}.get(kind, "number")}
        for ours, theirs in [("minimum", "min"), ("maximum", "max")]:
            if theirs in shape:
                out[ours] = shape[theirs]
        return out

    defs = {name: convert(shape) for name, shape in shapes.items()}
    return {"$ref": "#/$defs/ConverseRequest", "$defs": defs}


def openapi(path, name):
    return load(path) | {"$ref": "#/components/schemas/" + name}


SCHEMAS = {
    "openai": lambda: openapi("openai/openapi.yaml", "CreateChatCompletionRequest"),
    "mistral": lambda: openapi("mistral/openapi.yaml", "ChatCompletionRequest"),
    "anthropic": anthropic,
    "cohere": cohere,
    "ollama": ollama,
    "gemini": gemini,
    "vertex": vertex,
    "bedrock": bedrock,
}


@functools.cache
def validator(api):
    return jsonschema.Draft202012Validator(SCHEMAS[api]())


def main():
    for line in sys.stdin:
        request = json.loads(line)
        errors = list(validator(request["api"]).iter_errors(request["body"]))
        if errors:
            worst = jsonschema.exceptions.best_match(errors)
            print(f"{request['where']}: {worst.json_path}: {worst.message[:300]}")


main()
