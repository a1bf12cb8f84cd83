// IdMap: which user (or group) of the host stands behind which one of the guest.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace cloche::fs {

class IdMap {
 public:
  struct Range {
    uint32_t guest = 0, host = 0;  // The first ids.
    uint32_t count = 1;
  };
  enum class Others : uint8_t {
    kSame,     // Ids outside the ranges are the same on both sides.
    kUnknown,  // They are shown as kNobody, and nothing can be made or given to them.
  };
  static constexpr uint32_t kNobody = 65534;  // Linux's overflowuid.

  // Every id is the same on both sides.
  IdMap() = default;
  IdMap(std::vector<Range> ranges, Others others) : ranges_(std::move(ranges)), others_(others) {}

  bool is_identity() const { return ranges_.empty() && others_ == Others::kSame; }
  // What the guest sees of a host id; the first range that has it counts.
  uint32_t to_guest(uint32_t host) const;
  // The host id behind a guest's; none: it has none. kUnchanged stays itself.
  std::optional<uint32_t> to_host(uint32_t guest) const;

  static constexpr uint32_t kUnchanged = UINT32_MAX;  // (uid_t)-1 of the system calls.

 private:
  std::vector<Range> ranges_;
  Others others_ = Others::kSame;
};

}  // namespace cloche::fs
