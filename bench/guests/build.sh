#!/usr/bin/env bash
# build.sh [VERSION…]: rebuilds the benchmarks' programs (default: Go 1.19 1.27) for linux/amd64 and js/wasm into bin/,
# compressed, and takes Go's own wasm_exec.js along. Not needed to measure: the results are committed.
# test/guests/toolchain.sh says which toolchains are used.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../../test/guests/toolchain.sh"
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(1.19 1.27)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for version in "${versions[@]}"; do
  use_toolchain "$version"
  bin="$here/bin/go$version"
  mkdir -p "$bin"
  for program in kernels hello; do
    # The module is written here so that each version gets its own language version and defaults.
    dir="$work/$version/$program"
    mkdir -p "$dir"
    cp "$here/$program"/*.go "$dir"
    printf 'module %s\n\ngo %s\n' "$program" "$version" >"$dir/go.mod"
    (cd "$dir" && "$go" build -trimpath -ldflags "-s -w -buildid=" -o "$work/$program.elf" .)
    (cd "$dir" && GOOS=js GOARCH=wasm "$go" build -trimpath -ldflags "-s -w -buildid=" -o "$work/$program.wasm" .)
    for target in elf wasm; do compress "$work/$program.$target" "$bin/$program.$target.br"; done
  done
  root=$("$go" env GOROOT)
  cp "$(ls "$root"/{lib,misc}/wasm/wasm_exec.js 2>/dev/null | head -n 1)" "$bin/wasm_exec.js"
  ls -l "$bin" | awk 'NR > 1 { print $5, $9 }'
done
