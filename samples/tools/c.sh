# Part of samples/build: C programs, as core modules of WASI 0.1.

c_way=
choose_c() {
    [ -z "$c_way" ] || return 0
    if python3 -c 'import ziglang' 2>/dev/null; then
        c_way=zig
        c_compiler="C: zig $(python3 -m ziglang version)"
    elif command -v clang-19 >/dev/null && [ -d /usr/lib/wasm32-wasi ]; then
        c_way=clang
        c_compiler="C: $(clang-19 --version | head -n 1)"
    else
        fail "no C compiler for WASI" "run: pip install ziglang, or: apt-get install clang-19 lld-19 libclang-rt-19-dev-wasm32 wasi-libc"
    fi
    echo "$c_compiler"
}

# build_c SOURCE OUTPUT
build_c() {
    choose_c
    compiler=$c_compiler
    case $c_way in
        zig) set -- "$1" "$2" python3 -m ziglang cc ;;
        clang) set -- "$1" "$2" clang-19 ;;
    esac
    source=$1
    output=$2
    shift 2
    # zig's own default is a stack of 16 MiB, which counts against the container's memory limit from the first moment.
    "$@" -target wasm32-wasi -std=gnu11 -Wall -Wextra -Werror -Os -s -Wl,-z,stack-size=65536 -o "$output" "$source"
}
