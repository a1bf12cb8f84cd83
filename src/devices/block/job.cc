#include "devices/block/job.h"

#include <fmt/format.h>

#include <algorithm>

namespace cloche::block {
namespace {

constexpr size_t kMostAtOnce = 128 << 10;  // Bytes: a copy of this size is no wait.

// What the guest is told, and why.
struct Answer {
  uint8_t status = kStatusOk;
  std::string reason{};  // Where the host failed.
};

Answer refused() { return {kStatusIoErr}; }

Answer answer_of(const Result<void>& result) {
  if (result) return {};
  return {kStatusIoErr, result.error().message()};
}

bool within(uint64_t sector, uint64_t sectors, const Limits& limits) {
  return sector <= limits.sectors && sectors <= limits.sectors - sector;
}

bool is_transfer(const Job& job) { return job.type == kTypeIn || job.type == kTypeOut; }

bool may_transfer(const Job& job, const Limits& limits) {
  return job.data_size % kSectorBytes == 0 && within(job.sector, job.data_size / kSectorBytes, limits) &&
         (job.type == kTypeIn || !limits.read_only);
}

Pieces data_of(const Job& job) {
  Pieces pieces;
  if (job.type == kTypeIn) {
    for (auto span : job.chain.writable_from(0, job.data_size)) pieces.add(span);
  } else {
    for (auto span : job.chain.readable_from(sizeof(Header))) pieces.add(span);
  }
  return pieces;
}

// Buffers in another device's shared memory: only the kernel may touch them, so they go by way of memory of ours.
Answer transfer_shared(Job& job, Disk& disk) {
  std::vector<std::byte> bytes(job.data_size);
  uint64_t offset = job.sector * kSectorBytes;
  if (job.type == kTypeOut) {
    if (!job.chain.copy_out(sizeof(Header), bytes)) return refused();
    return answer_of(disk.write(offset, Pieces(bytes)));
  }
  Answer answer = answer_of(disk.read(offset, Pieces(bytes)));
  if (answer.status == kStatusOk && !job.chain.copy_in(0, bytes)) return refused();
  return answer;
}

Answer transfer(Job& job, Disk& disk, const Limits& limits) {
  if (!may_transfer(job, limits)) return refused();
  if (job.data_size == 0) return {};
  uint64_t offset = job.sector * kSectorBytes;  // Within the disk, so it does not overflow.
  Answer answer;
  if (job.chain.in_window) {
    answer = transfer_shared(job, disk);
  } else {
    Pieces data = data_of(job);
    answer = answer_of(job.type == kTypeIn ? disk.read(offset, data) : disk.write(offset, data));
  }
  if (job.type == kTypeOut && answer.status == kStatusOk && limits.write_through) return answer_of(disk.flush());
  return answer;
}

Answer get_id(Job& job, const Limits& limits) {
  if (job.data_size < kIdBytes) return refused();
  std::vector<std::byte> data(job.data_size);
  std::ranges::copy(std::as_bytes(std::span(limits.id)), data.begin());
  if (!job.chain.copy_in(0, data)) return refused();
  return {};
}

uint8_t check(const Segment& segment, const Job& job, const Limits& limits) {
  bool zeroes = job.type == kTypeWriteZeroes;
  uint32_t known = zeroes ? kSegmentUnmap : 0;
  if ((segment.flags & ~known) != 0) return kStatusUnsupp;
  uint32_t most = zeroes ? Limits::kMostZeroSectors : Limits::kMostDiscardSectors;
  return segment.sectors <= most && within(segment.sector, segment.sectors, limits) ? kStatusOk : kStatusIoErr;
}

// Nothing is done unless all segments are right. Zeroes may have to be written, during which a reset waits.
Answer clear(Job& job, Disk& disk, const Limits& limits) {
  size_t count = job.data_size / sizeof(Segment), most = job.type == kTypeDiscard ? Limits::kMostSegments : 1;
  if (limits.read_only || job.data_size % sizeof(Segment) != 0 || count == 0 || count > most) return refused();
  std::vector<Segment> segments(count);
  if (!job.chain.copy_out(sizeof(Header), std::as_writable_bytes(std::span(segments)))) return refused();
  for (const Segment& segment : segments)
    if (uint8_t status = check(segment, job, limits); status != kStatusOk) return {status};
  for (const Segment& segment : segments) {
    uint64_t offset = segment.sector * kSectorBytes, size = segment.sectors * kSectorBytes;
    if (size == 0) continue;
    Space space = (segment.flags & kSegmentUnmap) != 0 ? Space::kGivenBack : Space::kKept;
    auto done = job.type == kTypeDiscard ? disk.discard(offset, size) : disk.zero(offset, size, space);
    if (!done) return answer_of(done);
  }
  return limits.write_through ? answer_of(disk.flush()) : Answer{};
}

Answer perform(Job& job, Disk& disk, const Limits& limits) {
  switch (job.type) {
    case kTypeIn:
    case kTypeOut:
      return transfer(job, disk, limits);
    case kTypeFlush:
      return answer_of(disk.flush());
    case kTypeGetId:
      return get_id(job, limits);
    case kTypeDiscard:
    case kTypeWriteZeroes:
      return clear(job, disk, limits);
    default:  // SCSI commands among them: there never will be any.
      return {kStatusUnsupp};
  }
}

// The status is the last byte that the guest gave us to write. What lies before it and was not filled is zeroed: the
// count of bytes written says that all before the status was.
void finish(Job& job, uint8_t status) {
  size_t last = job.chain.writable_size() - 1;
  bool filled = status == kStatusOk && (job.type == kTypeIn || job.type == kTypeGetId);
  if (last != 0 && !filled) static_cast<void>(job.chain.copy_in(0, std::vector<std::byte>(last)));
  static_cast<void>(job.chain.copy_in(last, std::as_bytes(std::span(&status, 1))));
  job.written = static_cast<uint32_t>(last + 1);
}

}  // namespace

Result<Job> parse(virtio::Chain chain) {
  Header header;
  size_t readable = chain.readable_size(), writable = chain.writable_size();
  if (readable < sizeof header || writable == 0)
    return fail(ErrorCode::kGuest, fmt::format("a request of {} bytes with room for {}", readable, writable));
  if (!chain.copy_out(0, std::as_writable_bytes(std::span(&header, 1))))
    return fail(ErrorCode::kGuest, "the header of a request is not in memory");
  Job job;
  job.chain = std::move(chain);
  job.type = header.type;
  job.sector = header.sector;
  bool fills = job.type == kTypeIn || job.type == kTypeGetId;
  job.data_size = fills ? writable - 1 : readable - sizeof header;
  return job;
}

void execute(Job& job, Disk& disk, const Limits& limits) {
  Answer answer = perform(job, disk, limits);
  finish(job, answer.status);
  job.reason = std::move(answer.reason);
}

bool execute_at_once(Job& job, Disk& disk, const Limits& limits) {
  if (job.chain.in_window || job.data_size > kMostAtOnce) return false;
  if (job.type == kTypeGetId) {
    finish(job, get_id(job, limits).status);
    return true;
  }
  if (!is_transfer(job) || job.data_size == 0) return false;
  if (!may_transfer(job, limits) || (job.type == kTypeOut && limits.write_through)) return false;
  uint64_t offset = job.sector * kSectorBytes;
  Pieces data = data_of(job);
  auto done = job.type == kTypeIn ? disk.read_at_once(offset, data) : disk.write_at_once(offset, data);
  if (!done) return false;
  finish(job, done->has_value() ? kStatusOk : kStatusIoErr);
  return true;
}

}  // namespace cloche::block
