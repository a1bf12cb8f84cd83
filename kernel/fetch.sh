#!/bin/bash
# Puts a kernel that somebody else built into kernel/prebuilt, once its digest is what the caller says.
#
#   kernel/fetch.sh guest|machine FILE|URL SHA256
#
# It is a bzImage with a zstd payload, as build.sh makes them. What is wrong with it is said, and the old kernel stays.
set -euo pipefail

readonly kernel_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly prebuilt=${CLOCHE_PREBUILT:-$kernel_dir/prebuilt}

fail() {
  echo "kernel/fetch.sh: $*; the kernel stays as it was" >&2
  exit 1
}

. "$kernel_dir/prebuilt.sh"

(($# == 3)) || fail "usage: kernel/fetch.sh guest|machine FILE|URL SHA256"
kind=$1 from=$2 wanted=${3,,}
name=$1-x86_64
[[ $kind == guest || $kind == machine ]] || fail "there is a guest and a machine kernel, and no '$kind'"
[[ $wanted =~ ^[0-9a-f]{64}$ ]] || fail "'$3' is no SHA-256: 64 hexadecimal digits"

# In the same folder, so that the last step is one rename.
folder=$(mktemp -d "$prebuilt/.fetch-XXXXXX")
trap 'rm -rf "$folder"' EXIT
image=$folder/$name.bzImage
case $from in
  http://* | https://*)
    command -v curl >/dev/null || fail "curl is not installed (Debian package: curl)"
    curl --fail --silent --show-error --location --proto '=http,https' --max-filesize 268435456 --output "$image" \
      -- "$from" || fail "cannot fetch $from"
    ;;
  *://*) fail "$from: neither a file nor an address of http or https" ;;
  *)
    [[ -f $from ]] || fail "there is no file $from"
    cp -- "$from" "$image"
    ;;
esac
got=$(digest_of "$image")
[[ $got == "$wanted" ]] || fail "$from has the SHA-256 $got, not $wanted"

"$kernel_dir/extract.sh" --unchecked "$image" "$folder/$name.vmlinux" || fail "$from cannot be booted here"
chmod 644 "$image"
record_digests "$image" "$folder/$name.vmlinux"
mv "$image" "$prebuilt/$name.bzImage"
record_version "$kind" fetched
echo "kernel/fetch.sh: $name.bzImage is $from; ./dev build puts it to use"
