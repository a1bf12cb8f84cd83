// RawDisk: an image that holds nothing but the disk's contents.
#pragma once

#include <memory>

#include "devices/block/host_file.h"

namespace cloche::block {

class RawDisk final : public Disk {
 public:
  // Of `file`, the bytes from `start` on. Its size ends with a whole sector.
  static Result<std::unique_ptr<Disk>> create(HostFile file);
  static Result<std::unique_ptr<Disk>> create(HostFile file, uint64_t start, uint64_t size);

  uint64_t size() const override { return size_; }
  Result<void> read(uint64_t offset, const Pieces& to) override { return file_.read(start_ + offset, to); }
  Result<void> write(uint64_t offset, const Pieces& from) override { return file_.write(start_ + offset, from); }
  Result<void> flush() override { return file_.flush(); }
  Result<void> discard(uint64_t offset, uint64_t size) override;
  Result<void> zero(uint64_t offset, uint64_t size, Space space) override {
    return file_.zero(start_ + offset, size, space);
  }
  std::optional<Result<void>> read_at_once(uint64_t offset, const Pieces& to) override {
    return file_.read_at_once(start_ + offset, to);
  }
  std::optional<Result<void>> write_at_once(uint64_t offset, const Pieces& from) override {
    return file_.write_at_once(start_ + offset, from);
  }
  // Not where blocks are read, changed in part and written back.
  bool concurrent() const override { return file_.alignment() <= kSectorBytes; }

  static constexpr uint64_t kSectorBytes = 512;

 private:
  RawDisk(HostFile file, uint64_t start, uint64_t size) : file_(std::move(file)), start_(start), size_(size) {}
  HostFile file_;
  uint64_t start_, size_;
};

}  // namespace cloche::block
