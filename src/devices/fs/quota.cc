#include "devices/fs/quota.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace cloche::fs {
namespace {

constexpr uint64_t kBlock = 4096;  // The smallest step in which file systems give out space, mostly.
constexpr uint64_t kUnit = 512;    // Of st_blocks.
constexpr uint32_t kMostPieces =
    64;  // Of a range, looked at one by one; what lies behind them counts as not allocated.

struct Measured {
  FileId id;
  uint64_t bytes, size;
  uint64_t links;
};

std::optional<Measured> measure(int fd) {
  struct stat stat{};
  if (::fstat(fd, &stat) < 0) return std::nullopt;
  return Measured{{uint64_t{major(stat.st_dev)} << 32 | minor(stat.st_dev), stat.st_ino},
                  static_cast<uint64_t>(stat.st_blocks) * kUnit,
                  static_cast<uint64_t>(stat.st_size),
                  stat.st_nlink};
}

// Bytes of [begin, end) that have blocks, as the file system maps them; none: it does not say. Blocks that hold nothing
// yet (fallocate) are among them.
std::optional<uint64_t> mapped_bytes(int fd, uint64_t begin, uint64_t end) {
  alignas(fiemap) std::array<std::byte, sizeof(fiemap) + kMostPieces * sizeof(fiemap_extent)> raw{};
  fiemap head{};
  head.fm_start = begin;
  head.fm_length = end - begin;
  head.fm_extent_count = kMostPieces;
  std::memcpy(raw.data(), &head, sizeof head);
  if (::ioctl(fd, FS_IOC_FIEMAP, raw.data()) < 0) return std::nullopt;
  std::memcpy(&head, raw.data(), sizeof head);
  uint64_t mapped = 0;
  for (uint32_t i = 0; i < std::min(head.fm_mapped_extents, kMostPieces); ++i) {
    fiemap_extent extent;
    std::memcpy(&extent, raw.data() + sizeof head + i * sizeof extent, sizeof extent);
    uint64_t from = std::max<uint64_t>(extent.fe_logical, begin);
    uint64_t to = std::min<uint64_t>(extent.fe_logical + extent.fe_length, end);
    if (from < to) mapped += to - from;
  }
  return mapped;
}

// The same by looking for holes.
uint64_t data_bytes(int fd, uint64_t begin, uint64_t end) {
  uint64_t data = 0;
  for (uint32_t piece = 0; piece < kMostPieces && begin < end; ++piece) {
    off_t from = ::lseek(fd, static_cast<off_t>(begin), SEEK_DATA);
    if (from < 0 || static_cast<uint64_t>(from) >= end) break;
    off_t to = ::lseek(fd, from, SEEK_HOLE);
    if (to <= from) break;
    // A hole that begins at the file's end begins at the end of its last block.
    uint64_t stop = std::min((static_cast<uint64_t>(to) + kBlock - 1) / kBlock * kBlock, end);
    data += stop - static_cast<uint64_t>(from);
    begin = stop;
  }
  return data;
}

}  // namespace

uint64_t Quota::bytes_left() const {
  auto limit = static_cast<int64_t>(std::min<uint64_t>(limits_.bytes.value_or(INT64_MAX), INT64_MAX));
  if (bytes_ >= limit) return 0;
  return static_cast<uint64_t>(limit) - static_cast<uint64_t>(bytes_);  // Less than 2^64 even from below zero.
}

uint64_t Quota::inodes_left() const {
  auto limit = static_cast<int64_t>(std::min<uint64_t>(limits_.inodes.value_or(INT64_MAX), INT64_MAX));
  if (inodes_ >= limit) return 0;
  return static_cast<uint64_t>(limit) - static_cast<uint64_t>(inodes_);
}

Outcome<void> Quota::check_file() const {
  if (inodes_left() == 0) return refuse(EDQUOT);
  return check_name();
}

Outcome<void> Quota::check_name() const {
  if (bytes_left() == 0) return refuse(EDQUOT);
  return {};
}

Outcome<void> Quota::check_bytes(uint64_t size) const {
  if (bytes_left() < size) return refuse(EDQUOT);
  return {};
}

Outcome<void> Quota::check_range(int fd, uint64_t offset, uint64_t size) const {
  // What lies past the largest offset the host refuses itself.
  if (!limits_.bytes || size == 0 || size > INT64_MAX - kBlock - std::min<uint64_t>(offset, INT64_MAX - kBlock))
    return {};
  uint64_t left = bytes_left();
  uint64_t begin = offset / kBlock * kBlock, end = (offset + size + kBlock - 1) / kBlock * kBlock;
  if (end - begin <= left) return {};
  std::optional<uint64_t> mapped = mapped_bytes(fd, begin, end);
  if (!mapped) mapped = data_bytes(fd, begin, end);
  uint64_t wanted = end - begin - std::min(*mapped, end - begin);
  if (wanted > left) return refuse(EDQUOT);
  return {};
}

Quota::Account* Quota::account(FileId id, uint64_t bytes) {
  auto found = accounts_.find(id);
  if (found != accounts_.end()) return &found->second;
  if (accounts_.size() >= most_accounts_) {
    lost_track_ = true;
    return nullptr;
  }
  return &accounts_.emplace(id, Account{.bytes = bytes}).first->second;
}

void Quota::book(FileId id, uint64_t before, uint64_t after) {
  if (before == after) return;
  Account* account = this->account(id, lost_track_ ? 0 : before);
  if (after > before) {
    uint64_t grown = after - before;
    bytes_ += static_cast<int64_t>(grown);
    if (account != nullptr) account->bytes += grown;
  } else if (account != nullptr) {
    uint64_t freed = std::min(before - after, account->bytes);
    bytes_ -= static_cast<int64_t>(freed);
    account->bytes -= freed;
  }
}

void Quota::measured(FileId id, uint64_t bytes) {
  if (!on()) return;
  // An account that is there is of an earlier file, which somebody else removed.
  Account* account = this->account(id, 0);
  if (account != nullptr) *account = {.bytes = bytes};
  bytes_ += static_cast<int64_t>(bytes);
}

void Quota::made_file(int fd) {
  if (!on()) return;
  made();
  if (auto file = measure(fd)) measured(file->id, file->bytes);
}

void Quota::made_nameless(int fd) {
  if (!on()) return;
  made_file(fd);
  auto file = measure(fd);
  if (!file) return;
  if (Account* account = this->account(file->id, 0)) account->is_gone = account->is_known = true;
}

void Quota::named(FileId id) {
  auto found = accounts_.find(id);
  if (found != accounts_.end()) found->second.is_gone = false;
}

void Quota::removed(int fd, Known known) {
  auto file = measure(fd);
  if (!file || file->links != 0) return;
  Account* account = this->account(file->id, lost_track_ ? 0 : file->bytes);
  if (account == nullptr) return;
  // What somebody else took out of it meanwhile is not the guest's to get.
  account->bytes = std::min(account->bytes, file->bytes);
  account->is_gone = true;
  account->is_known = known == Known::kYes;
  settle(file->id);
}

void Quota::forgotten(FileId id) {
  auto found = accounts_.find(id);
  if (found == accounts_.end() || !found->second.is_gone) return;
  found->second.is_known = false;
  settle(id);
}

void Quota::settle(FileId id) {
  auto found = accounts_.find(id);
  if (found == accounts_.end() || !found->second.is_gone || found->second.is_known || open_.contains(id)) return;
  bytes_ -= static_cast<int64_t>(found->second.bytes);
  inodes_ -= limits_.inodes ? 1 : 0;
  accounts_.erase(found);
}

void Quota::end() {
  std::erase_if(accounts_, [this](const auto& entry) {
    if (!entry.second.is_gone) return false;
    bytes_ -= static_cast<int64_t>(entry.second.bytes);
    inodes_ -= limits_.inodes ? 1 : 0;
    return true;
  });
}

void Quota::narrow(fuse_kstatfs& stat) const {
  if (limits_.bytes && stat.frsize != 0) {
    uint64_t left = bytes_left() / stat.frsize, whole = std::max(*limits_.bytes / stat.frsize, left);
    stat.bfree = std::min(stat.bfree, left);
    stat.bavail = std::min(stat.bavail, left);
    stat.blocks = std::min(stat.blocks, whole);
  }
  if (limits_.inodes) {
    // Some file systems make inodes as they need them, and name no number.
    bool counted = stat.files != 0;
    uint64_t left = inodes_left(), whole = std::max(*limits_.inodes, left);
    stat.ffree = counted ? std::min(stat.ffree, left) : left;
    stat.files = counted ? std::min(stat.files, whole) : whole;
  }
}

Quota::Change::Change(Quota& quota, int fd) : quota_(quota), fd_(quota.on() ? fd : -1) {
  if (fd_ < 0) return;
  auto file = measure(fd_);
  if (!file) {
    fd_ = -1;
    return;
  }
  id_ = file->id;
  before_ = file->bytes;
  size_ = file->size;
}

Quota::Change::~Change() {
  if (fd_ < 0) return;
  if (auto file = measure(fd_)) quota_.book(id_, before_, file->bytes);
}

Quota::Use::Use(Quota& quota, int fd) {
  if (!quota.on()) return;
  auto file = measure(fd);
  if (!file) return;
  quota_ = &quota;
  id_ = file->id;
  ++quota.open_[id_];
}

Quota::Use::~Use() {
  if (quota_ == nullptr) return;
  auto found = quota_->open_.find(id_);
  if (--found->second != 0) return;
  quota_->open_.erase(found);
  quota_->settle(id_);
}

}  // namespace cloche::fs
