#!/bin/bash
# Extracts the ELF vmlinux from a zstd-compressed bzImage of kernel/prebuilt, and checks both against SHA256SUMS.
#
#   kernel/extract.sh BZIMAGE OUT
#   kernel/extract.sh --unchecked BZIMAGE OUT    for build.sh, which has no digest yet
#
# Layout: Linux/x86 boot protocol 2.08. All fields are little-endian, and so is od on every machine that can run this.
set -euo pipefail

fail() {
  echo "kernel/extract.sh: $*" >&2
  exit 1
}

checked=yes
if [[ ${1:-} == --unchecked ]]; then
  checked=no
  shift
fi
(($# == 2)) || fail "usage: kernel/extract.sh BZIMAGE OUT"
readonly image=$1 out=$2
[[ -r $image ]] || fail "cannot read $image"
command -v zstd >/dev/null || fail "zstd is not installed (Debian package: zstd)"

# The digest recorded for a file name, in the SHA256SUMS beside the image.
recorded() {
  local sums
  sums=$(dirname "$image")/SHA256SUMS
  [[ -r $sums ]] || fail "cannot read $sums"
  local digest
  digest=$(awk -v name="$1" '$2 == name { print $1 }' "$sums")
  [[ -n $digest ]] || fail "$sums has no line for $1"
  echo "$digest"
}

check() {
  local file=$1 name=$2 wanted got
  wanted=$(recorded "$name")
  got=$(sha256sum <"$file" | cut -d' ' -f1)
  [[ $got == "$wanted" ]] || fail "$name is not the recorded file: SHA-256 is $got, SHA256SUMS says $wanted"
}

# field OFFSET SIZE: one unsigned number of the setup header.
field() {
  od -An -j "$1" -N "$2" -t "u$2" "$image" | tr -d ' \n'
}

name=$(basename "$image" .bzImage)
if [[ $checked == yes ]]; then check "$image" "$name.bzImage"; fi

[[ $(field 514 4) == 1400005704 ]] || fail "$image is not a bzImage (no HdrS at 0x202)"
setup_sectors=$(field 497 1)
((setup_sectors > 0)) || setup_sectors=4
payload_offset=$(field 584 4)
payload_length=$(field 588 4)
start=$(((setup_sectors + 1) * 512 + payload_offset))
[[ $(field "$start" 4) == 4247762216 ]] || fail "the payload of $image is not zstd"

# The kernel's build appends the unpacked size, four bytes, to the zstd frame.
trap 'rm -f "$out.partial"' EXIT
tail -c +$((start + 1)) "$image" | head -c $((payload_length - 4)) | zstd -dcq >"$out.partial" ||
  [[ ${PIPESTATUS[2]} == 0 ]] || fail "$image: the payload does not decompress"
if [[ $checked == yes ]]; then check "$out.partial" "$name.vmlinux"; fi
mv "$out.partial" "$out"
