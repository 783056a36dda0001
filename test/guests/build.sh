#!/usr/bin/env bash
# build.sh [VERSION…]: rebuilds the guest executables (default: Go 1.15 1.19 1.22 1.27) into bin/, compressed,
# and with 1.27 also the example programs. Not needed to run the tests: the results are committed.
# $GO_TOOLCHAIN_TOOL names a program that prints the path of `go` for a version; default: `go` itself, which must
# then be of that version. The output is reproducible: same sources, same toolchain, same bytes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(1.15 1.19 1.22 1.27)
export CGO_ENABLED=0 GOOS=linux GOARCH=amd64 GOAMD64=v1 GOTOOLCHAIN=local GOPROXY=off GOFLAGS=-mod=mod GO111MODULE=on GOWORK=off
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

compress() {
  node --input-type=module -e '
    import { readFileSync, writeFileSync } from "node:fs";
    import { brotliCompressSync, constants as c } from "node:zlib";
    const [from, to] = process.argv.slice(1);
    const bytes = readFileSync(from);
    const params = { [c.BROTLI_PARAM_QUALITY]: 11, [c.BROTLI_PARAM_LGWIN]: 24, [c.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    writeFileSync(to, brotliCompressSync(bytes, { params }));' "$1" "$2"
}

for version in "${versions[@]}"; do
  if [ -n "${GO_TOOLCHAIN_TOOL:-}" ]; then go=$("$GO_TOOLCHAIN_TOOL" "$version"); else go=$(command -v go); fi
  case $("$go" version) in
    "go version go$version "* | "go version go$version."* | "go version go${version}"[a-z]*) ;;
    *) echo "build.sh: $go is not Go $version" >&2; exit 1 ;;
  esac
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
