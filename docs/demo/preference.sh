#!/usr/bin/env bash
# The main job on this machine's CPU: prompts, a tiny model trained on the spot, preference pairs of its own answers.
set -euo pipefail
here=$(dirname "$0")
policy="$FACTORY_HOME/ckpt/tiny"

echo "== 1. prompts from a reasoning-gym task family"
factory build prompts --recipe "$here/prompts.toml" --out demo-prompts
if [ ! -e "$policy/config.json" ]; then
    echo "== 2. a model of a million parameters, trained for a minute on other sums of the family"
    python -m trainer.tiny --out "$policy" --minutes 1
fi
echo "== 3. its answers, verified and paired: factory build preference --policy $policy"
factory build preference --recipe "$here/preference.toml" --policy "$policy" --out demo-preference
echo "== 4. the version, and three of its pairs"
factory datasets verify demo-preference@v1
factory datasets show demo-preference@v1 --rows 3
