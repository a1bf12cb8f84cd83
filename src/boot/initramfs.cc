#include "boot/initramfs.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <iterator>
#include <string>
#include <utility>

namespace cloche::boot {
namespace {

void append(std::vector<std::byte>& to, std::string_view text) {
  auto raw = std::as_bytes(std::span(text));
  to.insert(to.end(), raw.begin(), raw.end());
}

}  // namespace

void Initramfs::pad() { bytes_.resize((bytes_.size() + 3) & ~size_t{3}); }

// One header is 110 characters: the magic and 13 fields of 8 hexadecimal digits (cpio(5), "New ASCII Format").
void Initramfs::add(std::string_view path, const Entry& entry, std::span<const std::byte> contents) {
  std::string header = "070701";
  for (size_t field :
       {size_t{next_inode_++}, size_t{entry.mode}, size_t{0}, size_t{0}, size_t{entry.links}, size_t{0},
        contents.size(), size_t{0}, size_t{0}, size_t{entry.major}, size_t{entry.minor}, path.size() + 1, size_t{0}})
    fmt::format_to(std::back_inserter(header), "{:08X}", field);
  append(bytes_, header);
  append(bytes_, path);
  bytes_.push_back(std::byte{0});
  pad();
  bytes_.insert(bytes_.end(), contents.begin(), contents.end());
  pad();
}

void Initramfs::add_directory(std::string_view path, unsigned mode) {
  add(path, {.mode = S_IFDIR | mode, .links = 2}, {});
}

void Initramfs::add_file(std::string_view path, std::span<const std::byte> contents, unsigned mode) {
  add(path, {.mode = S_IFREG | mode}, contents);
}

void Initramfs::add_device(std::string_view path, unsigned mode, unsigned major, unsigned minor) {
  add(path, {.mode = S_IFCHR | mode, .major = major, .minor = minor}, {});
}

std::vector<std::byte> Initramfs::finish() {
  add("TRAILER!!!", {}, {});
  next_inode_ = 1;
  return std::exchange(bytes_, {});
}

}  // namespace cloche::boot
