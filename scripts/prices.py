#!/usr/bin/env python3
"""Prints Tollgate's price table, merged from two public price catalogues.

    python3 scripts/prices.py ../shared/wire/prices > conf/prices/table.tsv

The directory holds `litellm.model_prices_and_context_window.json` (USD per token) and `models.dev.api.json` (USD per
million tokens). Where both know a model, the first one's row is taken whole; the second only adds models and limits.
Counts of what was merged go to stderr. Figures are carried as decimals, never as floats.
"""

import json
import re
import sys
from decimal import ROUND_UP, Decimal
from pathlib import Path

MILLION = Decimal(1_000_000)
MODES = {"chat", "completion", "embedding", "responses", "rerank", "image_generation", "image_edit",
         "audio_transcription", "audio_speech", "realtime", "moderation"}
TIERS = ("flex", "priority", "balanced", "ultrafast")
METERS = {
    "input_cost_per_token": "in",
    "output_cost_per_token": "out",
    "input_cost_per_token_cache_hit": "cached",
    "cache_read_input_token_cost": "cached",
    "cache_creation_input_token_cost": "written",
    "cache_creation_input_token_cost_above_1hr": "written_1h",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "audio_in",
    "output_cost_per_audio_token": "audio_out",
    "input_cost_per_image_token": "image_in",
    "output_cost_per_image_token": "image_out",
    "input_cost_per_query": "request",
    "input_cost_per_request": "request",
    "input_cost_per_second": "second_in",
    "output_cost_per_second": "second_out",
    "input_cost_per_character": "character",
    "input_cost_per_image": "picture",
    "output_cost_per_image": "picture",
    "input_cost_per_pixel": "pixel",
    "output_cost_per_pixel": "pixel",
    "search_context_cost_per_query": "search",
    "google_maps_grounding_cost_per_query": "maps",
}
# Charged in the place of an answer's tokens; zero says nothing.
UNITS = {"second_in", "second_out", "character", "picture", "pixel"}
LOOKUPS = {"search", "grounding", "maps"}
ORDER = [*dict.fromkeys(METERS.values()), "grounding"]

# The first catalogue's provider names that mean the same vendor and prices.
SAME_PROVIDER = {
    "azure_text": "azure", "bedrock_converse": "bedrock", "cohere_chat": "cohere",
    "fireworks_ai-embedding-models": "fireworks_ai", "text-completion-codestral": "codestral",
    "text-completion-inception": "inception", "text-completion-openai": "openai",
}
# A vendor that charges the higher price from the threshold on, not above it.
INCLUSIVE_THRESHOLDS = {"xai"}

# The second catalogue's provider names in the first one's spelling. Others are resellers nobody can configure by name.
SECOND_PROVIDERS = {
    "alibaba": "dashscope", "amazon-bedrock": "bedrock", "anthropic": "anthropic", "azure": "azure",
    "baseten": "baseten", "cerebras": "cerebras", "chutes": "chutes", "cloudflare-workers-ai": "cloudflare",
    "cohere": "cohere", "databricks": "databricks", "deepinfra": "deepinfra", "deepseek": "deepseek",
    "fireworks-ai": "fireworks_ai", "friendli": "friendliai", "gmicloud": "gmi", "google": "gemini",
    "google-vertex": "vertex_ai", "google-vertex-anthropic": "vertex_ai", "groq": "groq", "huggingface": "huggingface",
    "inception": "inception", "llama": "meta_llama", "minimax": "minimax", "mistral": "mistral",
    "moonshotai": "moonshot", "morph": "morph", "nebius": "nebius", "novita-ai": "novita", "nvidia": "nvidia_nim",
    "openai": "openai", "openrouter": "openrouter", "ovhcloud": "ovhcloud", "perplexity": "perplexity",
    "poe": "poe", "scaleway": "scaleway", "siliconflow": "siliconflow", "snowflake-cortex": "snowflake",
    "stepfun": "stepfun", "synthetic": "synthetic", "togetherai": "together_ai", "upstage": "upstage", "v0": "v0",
    "venice": "venice", "vercel": "vercel_ai_gateway", "wandb": "wandb", "xai": "xai", "zai": "zai",
}
SECOND_METERS = {"input": "in", "output": "out", "cache_read": "cached", "cache_write": "written",
                 "reasoning": "reasoning", "input_audio": "audio_in", "output_audio": "audio_out"}


def main():
    source = Path(sys.argv[1])
    first = first_rows(load(source / "litellm.model_prices_and_context_window.json"))
    second = second_rows(load(source / "models.dev.api.json"))
    report(first, second)
    print("# 1. Prices: provider/model, mode, most input tokens, most output tokens, USD per million units.")
    print("# 2. A price is `meter[@above-so-many-prompt-tokens][/service-tier]=USD`. Sorted. Printed by scripts/prices.py.")
    for key in sorted(first.keys() | second.keys(), key=lambda key: key.encode()):
        print(line(key, merged(first.get(key), second.get(key))))


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file, parse_float=Decimal, parse_int=Decimal)


def merged(first, second):
    if first is None or second is None:
        return first or second
    mode, most_in, most_out, rates = first
    return mode, most_in or second[1], most_out or second[2], rates


def report(first, second):
    both = first.keys() & second.keys()
    differ = [key for key in both if main_prices(first[key]) != main_prices(second[key])]
    print(f"rows: {len(first.keys() | second.keys())}; in both catalogues: {len(both)}; "
          f"input or output price differs: {len(differ)}", file=sys.stderr)


def main_prices(row):
    return [row[3].get((meter, 0, ""), 0) for meter in ("in", "out")]


def line(key, row):
    mode, most_in, most_out, rates = row
    shown = [f"{name(rate)}={number(usd)}" for rate, usd in sorted(rates.items(), key=position)]
    return "\t".join([key, mode, most_in, most_out, " ".join(shown)])


def position(item):
    (meter, above, tier), _ = item
    return above, TIERS.index(tier) if tier else -1, ORDER.index(meter)


def name(rate):
    meter, above, tier = rate
    threshold = f"{above // 1000}k" if above % 1000 == 0 else str(above)
    return meter + (f"@{threshold}" if above else "") + (f"/{tier}" if tier else "")


def number(usd_per_million):
    exact = usd_per_million.quantize(Decimal("0.000001"), rounding=ROUND_UP)
    text = format(exact, "f").rstrip("0").rstrip(".")
    return text or "0"


def key_of(provider, model):
    model = model.lower().removeprefix(provider + "/").removeprefix("accounts/fireworks/models/")
    return f"{provider}/{model}"


# --- the first catalogue: one object per model, one field per price ---

def first_rows(catalogue):
    rows = {}
    # A name with its provider in front is the more specific one: it comes last and stays.
    for model, entry in sorted(catalogue.items(), key=lambda item: ("/" in item[0], item[0])):
        rates = first_rates(entry)
        if entry.get("mode", "chat") in MODES and any(meter not in LOOKUPS for meter, _, _ in rates):
            limits = limit(entry, "max_input_tokens"), limit(entry, "max_output_tokens")
            rows[key_of(*first_name(entry["litellm_provider"], model))] = (entry.get("mode", "chat"), *limits, rates)
    return rows


def first_name(provider, model):
    canonical = "vertex_ai" if provider.startswith("vertex_ai") else SAME_PROVIDER.get(provider, provider)
    spelled = canonical.replace("_", "-") + "/"
    return canonical, model.removeprefix(provider + "/").removeprefix(spelled)


def limit(entry, field):
    value = entry.get(field)
    return str(int(value)) if isinstance(value, Decimal) and value > 0 else ""


def first_rates(entry):
    rates = {}
    inclusive = entry.get("litellm_provider") in INCLUSIVE_THRESHOLDS
    for field in sorted(entry, key=lambda field: list(METERS).index(field) if field in METERS else 99):
        found = rate_of(field, inclusive)
        price = entry[field]["search_context_size_medium"] if field == "search_context_cost_per_query" else entry[field]
        if found and isinstance(price, Decimal) and is_charged(found[0], price, entry.get("mode", "chat")):
            rates[lookup(found, entry)] = price * MILLION
    tiers = [tier for tier in entry.get("tiered_pricing", []) if "range" in tier and "input_cost_per_token" in tier]
    for tier in tiers:
        rates.update(bracket_rates(tier, tiers))
    return rates


def lookup(rate, entry):
    """Google charges for the searches of older models once an answer, whatever their number."""
    provider = entry["litellm_provider"]
    google = provider == "gemini" or provider.startswith("vertex_ai") and "anthropic" not in provider
    by_answer = google and entry.get("web_search_billing_unit") != "per_query"
    return ("grounding", *rate[1:]) if rate[0] == "search" and by_answer else rate


def is_charged(meter, price, mode):
    """A price of a picture means one that is seen where a model does not draw."""
    return meter not in UNITS or price > 0 and (meter not in ("picture", "pixel") or mode.startswith("image_"))


def rate_of(field, inclusive):
    tier = next((tier for tier in TIERS if field.endswith("_" + tier)), "")
    base = field.removesuffix("_" + tier) if tier else field
    above = re.fullmatch(r"(.+)_above_(\d+)(k?)_tokens", base)
    threshold = int(above[2]) * (1000 if above[3] else 1) - inclusive if above else 0
    meter = METERS.get(above[1] if above else base)
    return (meter, threshold, tier) if meter else None


def bracket_rates(tier, tiers):
    """One bracket of a table of prices by prompt size. What it does not name costs what its input or output costs."""
    above = int(tier["range"][0])
    named = {field for each in tiers for field in each if field in METERS}
    for field in named:
        fallback = "output_cost_per_token" if field.startswith("output") else "input_cost_per_token"
        value = tier.get(field, tier.get(fallback))
        if value is not None:
            yield (METERS[field], above, ""), value * MILLION


# --- the second catalogue: providers, their models, a cost object ---

def second_rows(catalogue):
    rows = {}
    for provider, ours in sorted(SECOND_PROVIDERS.items()):
        for model, entry in sorted(catalogue[provider]["models"].items()):
            rates = second_rates(entry.get("cost", {}))
            if is_priced(model, rates):
                limits = second_limit(entry, "input", "context"), second_limit(entry, "output")
                rows.setdefault(key_of(ours, model), (second_mode(model, entry), *limits, rates))
    return rows


def second_limit(entry, *fields):
    return next(filter(None, (limit(entry.get("limit", {}), field) for field in fields)), "")


def second_mode(model, entry):
    return "embedding" if "embed" in (entry.get("family") or "") + model else "chat"


def is_priced(model, rates):
    """Zero means a trial or a subscription there, but for models that say they are free."""
    return model.endswith(":free") or any(rates.get((meter, 0, ""), 0) > 0 for meter in ("in", "out"))


def second_rates(cost):
    rates = {}
    for bracket in [cost, *cost.get("tiers", [])]:
        above = int(bracket.get("tier", {}).get("size", 0))
        for field, meter in SECOND_METERS.items():
            if bracket.get(field) is not None:
                rates[(meter, above, "")] = bracket[field]
    return {rate: usd for rate, usd in rates.items() if not restated(rate, usd, rates)}


def restated(rate, usd, rates):
    """A reasoning price equal to the output price says nothing."""
    meter, above, tier = rate
    return meter == "reasoning" and usd == rates.get(("out", above, tier))


if __name__ == "__main__":
    main()
