# What the scripts that build guests have in common; for bash's `source`.
# $GO_TOOLCHAIN_TOOL names a program that prints the path of `go` for a version; default: `go` itself, which must
# then be of that version. The output is reproducible: same sources, same toolchain, same bytes.
export CGO_ENABLED=0 GOOS=linux GOARCH=amd64 GOAMD64=v1 GOTOOLCHAIN=local GOPROXY=off GOFLAGS=-mod=mod GO111MODULE=on GOWORK=off

# use_toolchain VERSION: sets $go.
use_toolchain() {
  if [ -n "${GO_TOOLCHAIN_TOOL:-}" ]; then go=$("$GO_TOOLCHAIN_TOOL" "$1"); else go=$(command -v go); fi
  case $("$go" version) in
    "go version go$1 "* | "go version go$1."* | "go version go${1}"[a-z]*) ;;
    *) echo "$0: $go is not Go $1" >&2; exit 1 ;;
  esac
}

# compress FROM TO
compress() {
  node --input-type=module -e '
    import { readFileSync, writeFileSync } from "node:fs";
    import { brotliCompressSync, constants as c } from "node:zlib";
    const [from, to] = process.argv.slice(1);
    const bytes = readFileSync(from);
    const params = { [c.BROTLI_PARAM_QUALITY]: 11, [c.BROTLI_PARAM_LGWIN]: 24, [c.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    writeFileSync(to, brotliCompressSync(bytes, { params }));' "$1" "$2"
}
