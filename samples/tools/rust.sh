# Part of samples/build: Rust components. Sets up the toolchain when it is first asked for one.

# What is no part of the program stays out of it, so that the same compiler gives the same bytes on any machine.
remap() {
    echo "--remap-path-prefix=$samples=/samples --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$cache=/cache"
}

rust_way=
choose_rust() {
    [ -z "$rust_way" ] || return 0
    sysroot=$(rustc --print sysroot) || fail "rustc is not on the PATH" "install Rust with rustup"
    if [ -d "$sysroot/lib/rustlib/wasm32-wasip2" ]; then
        rust_way=wasip2
        rust_compiler="Rust: $(rustc --version), wasm32-wasip2"
    else
        rust_way=debian
        fetch_debian
        rust_compiler="Rust: $(LD_LIBRARY_PATH=$debian/lib/$(uname -m)-linux-gnu "$debian/bin/rustc" --version) of Debian, wasm32-unknown-unknown"
    fi
    echo "$rust_compiler"
}

# build_rust DIRECTORY CRATE OUTPUT
build_rust() {
    choose_rust
    compiler=$rust_compiler
    case $rust_way in
        wasip2)
            target=wasm32-wasip2
            with_rustup "$1"
            ;;
        debian)
            target=wasm32-unknown-unknown
            with_debian "$1"
            ;;
    esac
    # Cargo turns the hyphens of a crate's name into underscores.
    cp "$cache/target/$target/release/$(echo "$2" | tr - _).wasm" "$3"
}

with_rustup() {
    (cd "$1" && CARGO_TARGET_DIR=$cache/target RUSTFLAGS=$(remap) cargo build --quiet --release --locked --target wasm32-wasip2)
}

# Debian's compiler has no library for this target: it is built from source, which needs the switches of a nightly. The linker is the
# one rustup brings for wasm32-wasip2; it makes a component of what it linked.
with_debian() {
    tools=$sysroot/lib/rustlib/$(rustc --print host-tuple)/bin
    [ -x "$tools/wasm-component-ld" ] || fail "this Rust has no wasm-component-ld" "use a toolchain installed by rustup"
    (
        cd "$1"
        export LD_LIBRARY_PATH="$debian/lib/$(uname -m)-linux-gnu"
        export RUSTC="$debian/bin/rustc" RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$cache/target"
        export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$tools/wasm-component-ld"
        RUSTFLAGS="$(remap) -Zlocation-detail=none -Clink-arg=--wasm-ld-path=$tools/gcc-ld/wasm-ld" \
            "$debian/bin/cargo" build --quiet --release --locked -Zbuild-std=std,panic_abort --target wasm32-unknown-unknown
    )
}

# Unpacked, not installed: the packages conflict with an installed rustc, and nobody has to be root.
fetch_debian() {
    debian=$cache/debian/root/usr
    [ ! -f "$cache/debian/complete" ] || return 0
    command -v apt-get >/dev/null || fail "this Rust cannot build for wasm32-wasip2" "run: rustup target add wasm32-wasip2"
    echo "fetching Debian's rustc-web (145 MB, into $cache): this Rust has no wasm32-wasip2"
    rm -rf "$cache/debian"
    mkdir -p "$cache/debian/root"
    unpack_debian || fail "Debian's rustc-web could not be fetched" "run apt-get update, or: rustup target add wasm32-wasip2"
}

# Chained by hand: sh ignores `set -e` in what is asked for its success.
unpack_debian() (
    cd "$cache/debian" &&
        apt-get download -qq rustc-web cargo-web rust-web-src libstd-rust-web-dev libstd-rust-web-1.96 libllvm22 libgit2-1.5 \
            libssh2-1 libmbedtls14 libmbedx509-1 libmbedcrypto7 libhttp-parser2.9 &&
        for package in *.deb; do
            dpkg -x "$package" root || return 1
            rm "$package"
        done &&
        touch complete
)
