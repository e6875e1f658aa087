#!/usr/bin/env bash
# For scripts that source it: steps with a time limit each and one for all together, and a table of them when the script ends.
#   steps_within SECONDS              from now on, for all steps
#   step SECONDS COMMAND…             fails if the command does, or if its time or that of all is over
#   beside "SECONDS COMMAND…" "…"     two steps at the same time, for steps that wait most of the time; what the second prints comes last

steps_within() {
    STEPS_END=$((SECONDS + $1))
    STEPS_LIMIT=$1
    STEPS_TABLE=$(mktemp)
    trap steps_table EXIT
}

steps_table() {
    printf '\n%7s %7s  %-10s %s\n' seconds limit result step
    cat "$STEPS_TABLE"
    printf '%7s %7s  %-10s %s\n' "$((SECONDS - STEPS_END + STEPS_LIMIT))" "$STEPS_LIMIT" "" "all steps"
    rm -f "$STEPS_TABLE"
}

step() {
    local budget=$1 left=$((STEPS_END - SECONDS)) began=$SECONDS code=0 result=passed
    shift
    local limit=$((left < budget ? left : budget))
    echo "== $* (at most $((limit > 0 ? limit : 0)) s)"
    if ((limit <= 0)); then
        code=124
    else
        timeout --kill-after=20 "$limit" "$@" || code=$?
    fi
    local took=$((SECONDS - began))
    if ((code == 124 || (code == 137 && took >= limit))); then
        result=late
        if ((limit < budget)); then
            echo "== $* was cut off: the ${STEPS_LIMIT} s that all steps have together are over" >&2
        else
            echo "== $* was cut off: it has at most ${budget} s" >&2
        fi
    elif ((code)); then
        result="exit $code"
    fi
    printf '%7s %7s  %-10s %s\n' "$took" "$budget" "$result" "$*" >>"$STEPS_TABLE"
    echo "== $* took ${took} s"
    return "$code"
}

beside() {
    local first second output code=0
    read -ra first <<<"$1"
    read -ra second <<<"$2"
    output=$(mktemp)
    step "${second[@]}" >"$output" 2>&1 &
    step "${first[@]}" || code=$?
    wait $! || code=$?
    cat "$output"
    rm -f "$output"
    return "$code"
}
