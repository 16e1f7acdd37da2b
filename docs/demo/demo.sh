#!/usr/bin/env bash
# The whole loop on this machine's CPU: prompts -> traces -> SFT -> pairs -> DPO -> pass rates -> RLVR, measured after each
# stage. Every step is a command, shown before it runs. Killed and run again, it goes on where it was.
#
#   SEEDS="0 1 2"   climb the ladder so often      CONTROLS=yes   and what the same compute would have done otherwise
#   FROM=scratch    make the base model, too       FACTORY_HOME   where all of it goes (data)
set -euo pipefail

seeds=(${SEEDS:-0})
recipes=$(dirname "$0")
ckpt=$FACTORY_HOME/ckpt
evals=$FACTORY_HOME/eval
base=trainer/tiny/base

evaluating=() # PID:FILE of what runs beside the stages
trap stop_evaluations EXIT
# A second thread hardly helps a model of this size; the other core evaluates the stage before.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

say() {
    show_evaluations
    printf '\n== %s ==\n' "$*"
}

show() {
    local word
    printf '$'
    for word in "$@"; do
        case $word in
            '&') printf ' &' ;;
            *[!A-Za-z0-9_./@:=,-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
}

run() {
    show "$@"
    "$@"
}

prompts() { # NAME SEED SIZE, then more
    run factory build prompts --recipe "$recipes/prompts.toml" --out "$1" --set "reasoning_gym.seed=$2" \
        --set "reasoning_gym.size=$3" "${@:4}"
}

evaluate() { # MODEL NAME: beside what comes next
    local common=(trainer eval --model "$1" --data heldout@v1 --max-tokens 160)
    beside "$evals/$2.txt" "${common[@]}" --n 8 --temperature 1 --out "$evals/$2.json"
    beside "$evals/$2-greedy.txt" "${common[@]}" --out "$evals/$2-greedy.json"
}

beside() { # FILE for what it says, COMMAND
    show "${@:2}" "&"
    (exec "${@:2}" >"$1" 2>&1) &
    evaluating+=("$!:$1")
}

show_evaluations() { # [all]: of those that have ended, or of all when they have; one that failed ends the demo
    local each left=()
    for each in "${evaluating[@]}"; do
        if [ "${1:-}" != all ] && kill -0 "${each%%:*}" 2>/dev/null; then
            left+=("$each")
        elif wait "${each%%:*}"; then
            printf '\n'
            grep -v '^answers: ' "${each#*:}"
        else
            cat "${each#*:}"
            exit 1
        fi
    done
    evaluating=("${left[@]}")
}

stop_evaluations() { # a shell keeps Ctrl-C from what runs in its background
    local each
    for each in "${evaluating[@]}"; do
        kill "${each%%:*}" 2>/dev/null || true
    done
}

ladder() { # SEED: SFT, DPO, RLVR
    local sft=$ckpt/sft-$1 dpo=$ckpt/dpo-$1

    say "seed $1: SFT on the traces"
    run trainer sft --recipe "$recipes/sft.toml" --data traces@v1 --model "$base" --out "$sft" --set "seed=$1"
    evaluate "$sft" "sft-$1"

    say "seed $1: its own answers, paired by the verifier; and against the base model's"
    run factory build preference --recipe "$recipes/pairs.toml" --data pair-prompts@v1 --policy "$sft" \
        --set "seed=$1" --out "pairs-$1"
    run factory datasets verify "pairs-$1@v1"
    run factory datasets show "pairs-$1@v1" --rows 3
    run factory build preference --recipe "$recipes/delta.toml" --data pair-prompts@v1 --policy "$sft" \
        --policy "$base" --set "seed=$1" --out "delta-$1"
    run trainer dpo --recipe "$recipes/dpo.toml" --data "pairs-$1@v1" --data "delta-$1@v1" --model "$sft" --out "$dpo" \
        --set "seed=$1"
    evaluate "$dpo" "dpo-$1"

    say "seed $1: the prompts that it sometimes solves, and RLVR on them"
    rates "rates-$1" "$1"
    rlvr rlvr "$1" "rates-$1@v1"
}

rates() { # NAME SEED, then more
    run factory build pass-rate --recipe "$recipes/pass-rate.toml" --data rl-prompts@v1 --policy "$ckpt/dpo-$2" \
        --set "seed=$2" --out "$1" "${@:3}"
}

rlvr() { # NAME SEED DATA, then more
    run trainer rlvr --recipe "$recipes/rlvr.toml" --data "$3" --model "$ckpt/dpo-$2" --out "$ckpt/$1-$2" \
        --set "seed=$2" "${@:4}"
    evaluate "$ckpt/$1-$2" "$1-$2"
}

controls() { # SEED
    say "seed $1, control: a reward at random"
    rlvr random "$1" "rates-$1@v1" --reward random
    say "seed $1, control: Olmo 3's pass-rate filter, which leaves out what is mostly solved, too"
    rates "hard-rates-$1" "$1" --set 'keep=0.0<p<=0.625'
    rlvr hard "$1" "hard-rates-$1@v1"
    say "seed $1, controls: no pass-rate filter, for as many steps, and for as many answers as filter and RLVR take together"
    rlvr unfiltered "$1" rl-prompts@v1
    rlvr unfiltered-short "$1" rl-prompts@v1 --set max_steps=84
    say "seed $1, control: a curriculum instead of the filter"
    rlvr curriculum "$1" rl-prompts@v1 --set signal.curriculum=true
    say "seed $1, control: SFT for the compute that SFT, DPO and RLVR take together, sampling included"
    run trainer sft --recipe "$recipes/sft.toml" --data traces@v1 --model "$base" --out "$ckpt/sft-long-$1" --set "seed=$1" \
        --set epochs=60
    evaluate "$ckpt/sft-long-$1" "sft-long-$1"
}

each_seed() { # STAGE FOLDER SUFFIX: as STAGE=FILE,FILE, one a seed
    local all=("${seeds[@]/#/$2/$1-}")
    all=("${all[@]/%/$3}")
    (IFS=,; printf '%s=%s' "$1" "${all[*]}")
}

report() {
    local words=("base=$evals/base.json") greedy=("base=$evals/base-greedy.json") trained=() controls=()
    for stage in sft dpo rlvr; do
        words+=("$(each_seed "$stage" "$evals" .json)")
        greedy+=("$(each_seed "$stage" "$evals" -greedy.json)")
        trained+=("$(each_seed "$stage" "$ckpt" "")")
    done
    if [ "${CONTROLS:-}" = yes ]; then
        for control in random hard unfiltered unfiltered-short curriculum sft-long; do
            controls+=(--control "$(each_seed "$control" "$evals" .json)")
            greedy+=("$(each_seed "$control" "$evals" -greedy.json)")
            trained+=("$(each_seed "$control" "$ckpt" "")")
        done
    fi
    say "the report"
    run trainer report "${words[@]}" --greedy "${greedy[@]}" --runs "${trained[@]}" "${controls[@]}" \
        --out "$FACTORY_HOME/demo.html"
}

main() {
    echo "The commands below can be typed after: export PATH=$(pwd)/.venv/bin:\$PATH FACTORY_HOME=$FACTORY_HOME"
    mkdir -p "$evals"
    if [ "${FROM:-}" = scratch ]; then
        say "the base model, from nothing"
        base=$ckpt/base
        run python -m bench.demo_base --out "$base"
    fi

    say "prompts: four families at three levels; those of training hold none that is evaluated"
    prompts heldout 2100000000 84
    others='decontaminate.against=[{source="heldout@v1"}]'
    prompts sft-prompts 300000000 64 --set "$others"
    prompts pair-prompts 400000000 125 --set "$others"
    prompts rl-prompts 500000000 150 --set "$others"

    say "traces, by a solver that thinks in steps"
    run factory build traces --data sft-prompts@v1 --policy solver:reasoning-gym --out traces

    say "the base model"
    evaluate "$base" base
    for seed in "${seeds[@]}"; do
        ladder "$seed"
        if [ "${CONTROLS:-}" = yes ]; then
            controls "$seed"
        fi
    done
    show_evaluations all
    report
}

main
