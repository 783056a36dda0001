#!/usr/bin/env bash
# build.sh [VERSION…]: rebuilds the guest executables (default: Go 1.15 1.19 1.22 1.27) into bin/, compressed,
# and with 1.27 also the example programs. Not needed to run the tests: the results are committed.
# toolchain.sh says which toolchains are used. The output is reproducible: same sources, same toolchain, same bytes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(1.15 1.19 1.22 1.27)
source "$here/toolchain.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build VERSION SOURCE-DIRECTORY OUTPUT LDFLAGS
# The module is written here so that each version gets its own language version and defaults (loop variables, GODEBUG).
build() {
  local dir="$work/$1/$(basename "$2")"
  mkdir -p "$dir"
  cp "$2"/*.go "$dir"
  if [ "$(basename "$2")" = guests ]; then "$go" run "$here/generate/generate.go" "$dir"; fi
  printf 'module %s\n\ngo %s\n' "$(basename "$2")" "$1" >"$dir/go.mod"
  (cd "$dir" && "$go" build -trimpath -ldflags "$4" -o "$3" .)
}

for version in "${versions[@]}"; do
  use_toolchain "$version"
  mkdir -p "$work/$version" "$here/bin/go$version"
  build "$version" "$here/guests" "$work/$version/guests.elf" "-s -w -buildid="
  build "$version" "$here/hello" "$work/$version/hello.elf" "-buildid="
  for name in guests hello; do
    compress "$work/$version/$name.elf" "$here/bin/go$version/$name.br"
  done
  if [ "$version" = 1.27 ]; then
    for source in "$here"/../../examples/source/*/; do
      name=$(basename "$source")
      build "$version" "$here/../../examples/source/$name" "$here/../../examples/$name" "-s -w -buildid="
    done
  fi
  ls -l "$here/bin/go$version" | awk '{ print $5, $9 }'
done
