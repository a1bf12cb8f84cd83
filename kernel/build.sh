#!/bin/bash
# Builds the kernels that cloche carries, from Debian's linux-source package, the same bytes each time.
#
#   kernel/build.sh guest|machine [OUTDIR]   build one and store it in kernel/prebuilt
#   kernel/build.sh verify                   check what lies in kernel/prebuilt against SHA256SUMS
#
# OUTDIR (default: build/kernel in the repository) keeps the unpacked source and the object files.
# CC="ccache gcc" is honoured.
set -euo pipefail

readonly kernel_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly prebuilt=$kernel_dir/prebuilt
readonly package=linux-source-6.1
readonly tarball=${LINUX_TARBALL:-/usr/src/$package.tar.xz}

fail() {
  echo "kernel/build.sh: $*" >&2
  exit 1
}

. "$kernel_dir/prebuilt.sh"

# Everything that would otherwise tell when, where and by whom it was built.
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=cloche KBUILD_BUILD_HOST=cloche
export KBUILD_BUILD_VERSION=1 LC_ALL=C TZ=UTC
unset KCFLAGS KAFLAGS KCPPFLAGS KCONFIG_ALLCONFIG SOURCE_DATE_EPOCH

package_version() {
  dpkg-query -W -f '${Version}' "$package" 2>/dev/null || fail "the Debian package $package is not installed"
}

# Unpacks the source once per version and set of patches, so that a changed patch is never built on an old tree.
unpack_source() {
  local source=$1 stamp
  stamp=$(package_version)$(shopt -s nullglob; cat /dev/null "$kernel_dir"/patches/*.patch | sha256sum)
  [[ -f $source.stamp && $(<"$source.stamp") == "$stamp" ]] && return
  rm -rf "$source" "$source.stamp"
  mkdir -p "$source"
  tar -xf "$tarball" --strip-components=1 -C "$source"
  local patch
  for patch in "$kernel_dir"/patches/*.patch; do
    [[ -e $patch ]] || continue
    patch -d "$source" -p1 --fuzz=0 --no-backup-if-mismatch <"$patch" || fail "$patch does not apply"
  done
  printf '%s\n' "$stamp" >"$source.stamp"
}

# Prints the options of the given fragments, one a line, in Kconfig's own form; of two for one option the later wins.
merge_fragments() {
  awk '
    /^CONFIG_[A-Z0-9_]+=n$/ { sub(/=n$/, ""); $0 = "# " $0 " is not set" }
    match($0, /^(# )?CONFIG_[A-Za-z0-9_]+(=| is not set$)/) {
      name = $0; sub(/^# /, "", name); sub(/(=| ).*/, "", name)
      if (!(name in value)) order[++count] = name
      value[name] = $0
    }
    END { for (i = 1; i <= count; i++) print value[order[i]] }' "$@"
}

# Options of one Kconfig choice: naming another one in a later fragment must not leave the first one asked for.
drop_overridden_choices() {
  awk '
    function choice(name) {
      if (name ~ /^CONFIG_HZ_[0-9]+$/) return "HZ"
      if (name ~ /^CONFIG_CC_OPTIMIZE_FOR_/) return "CC_OPTIMIZE"
      if (name ~ /^CONFIG_PREEMPT_(NONE|VOLUNTARY)$/) return "PREEMPT"
      if (name ~ /^CONFIG_UNWINDER_/) return "UNWINDER"
      return ""
    }
    { line[NR] = $0; name = $0; sub(/=.*/, "", name); c[NR] = choice(name); if (c[NR] != "") last[c[NR]] = NR }
    END { for (i = 1; i <= NR; i++) if (c[i] == "" || last[c[i]] == i) print line[i] }'
}

# Kconfig drops what it cannot satisfy without a word; this names it.
check_config() {
  local wanted=$1 config=$2 line name lost=()
  while read -r line; do
    if [[ $line == '# '* ]]; then
      name=${line#\# } name=${name%% *}
      if grep -q "^$name=" "$config"; then lost+=("$name (asked for off, is on)"); fi
    elif ! grep -qxF -- "$line" "$config"; then
      lost+=("$line")
    fi
  done <"$wanted"
  ((${#lost[@]} == 0)) || fail "these options did not survive Kconfig:$(printf '\n  %s' "${lost[@]}")"
}

build() {
  local which=$1 out=$2 source objects fragments image
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  source=$out/source objects=$out/$which
  fragments=("$kernel_dir/guest.config")
  if [[ $which == machine ]]; then fragments+=("$kernel_dir/machine.config"); fi
  unpack_source "$source"

  mkdir -p "$objects"
  local make=(make -s -C "$source" O="$objects" ARCH=x86_64 -j"$(nproc)")
  if [[ -n ${CC:-} ]]; then make+=(CC="$CC"); fi
  merge_fragments "${fragments[@]}" | drop_overridden_choices >"$objects/wanted.config"
  "${make[@]}" KCONFIG_ALLCONFIG="$objects/wanted.config" allnoconfig >/dev/null
  check_config "$objects/wanted.config" "$objects/.config"
  [[ ${CONFIG_ONLY:-} ]] && return
  # The build number is kept in the object folder; a second build in it must not count on.
  rm -f "$objects/.version"
  "${make[@]}" bzImage

  mkdir -p "$prebuilt"
  image=$prebuilt/$which-x86_64.bzImage
  "$kernel_dir/extract.sh" --unchecked "$objects/arch/x86/boot/bzImage" "$objects/extracted.vmlinux"
  if grep -qaF -e "$out" "$objects/extracted.vmlinux"; then fail "the image contains the path $out"; fi
  install -m 644 "$objects/arch/x86/boot/bzImage" "$image.new"
  mv "$image.new" "$image"
  record_digests "$image" "$objects/extracted.vmlinux"
  record_version "$which" "$(package_version)"
  echo "kernel/build.sh: $which: bzImage $(stat -c %s "$image") bytes," \
    "vmlinux $(stat -c %s "$objects/extracted.vmlinux") bytes"
}

verify() {
  local image scratch
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' RETURN
  for image in "$prebuilt"/*.bzImage; do
    "$kernel_dir/extract.sh" "$image" "$scratch/vmlinux"
    echo "$(basename "$image"): ok"
  done
}

case ${1:-} in
  guest | machine) build "$1" "${2:-$kernel_dir/../build/kernel}" ;;
  verify) verify ;;
  *) fail "usage: kernel/build.sh guest|machine [OUTDIR], or kernel/build.sh verify" ;;
esac
