#!/usr/bin/env bash
# From a bare machine with a GPU to packed results: workflow/gpu_box.sh [NAME=VALUE ...], in a clone. Run again, it goes on where
# it was stopped. PROFILE=smoke rehearses it on any machine. It ends with one file, build/RUN.tar.gz, that holds reports,
# figures, values and the weights of the trainings, and the sums of all in it. RUN is the profile's name, unless a setting names it.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${PROFILE:-gpu}
settings=${*:+$(printf '%q ' "$@")}  # without any, %q would quote one that is empty
log=build/gpu_box-$profile.log  # of all runs of a profile: before there are packages nobody knows the run's name
mkdir -p build
exec > >(tee -a "$log") 2>&1

step() { printf '\n== %s: %s\n' "$(date -u +%FT%TZ)" "$1"; }

step "set-up"
make env
step "can this machine run profile $profile?"
make gpu-check PROFILE="$profile" SET="$settings"
run=$(.venv/bin/python -m workflow "$profile" --settings="$settings" --name)
step "the paper"
make paper PROFILE="$profile" SET="$settings"
step "its claims against the published ones"
# A first run of a profile has none to compare with; that is told, and no reason to lose the results.
make verify PROFILE="$profile" SET="$settings" || echo "verify: see above; the results are packed all the same"
step "packing"
packed=build/$run.tar.gz
list=build/$run.files
find "reports/$run" "figures/$run" -type f | sort > "$list"
find "runs/$run/train" -type f \( -name model.safetensors -o -name config.json -o -name history.csv \) | sort >> "$list"
xargs -d '\n' sha256sum < "$list" > "build/$run.sha256"
printf '%s\n' "build/$run.sha256" "$log" >> "$list"
tar --create --gzip --file "$packed.new" --files-from "$list"
mv "$packed.new" "$packed"
step "done: $packed, $(du -h "$packed" | cut -f1); check it with: tar xzf $packed && sha256sum --check build/$run.sha256"
