// block_job: what is measured of a disk, from inside a guest, past the guest's page cache.
//
// usage: block_job DEVICE ROUNDS
//
// Prints a line `JOB NANOSECONDS` for each job of each round. The device has 64 MiB.
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

namespace {

constexpr size_t kMib = 1 << 20, kDeviceMib = 64, kPage = 4096;
constexpr int kRandomAccesses = 2048, kDepth = 16;

alignas(kPage) char buffer[kMib];

[[noreturn]] void give_up(const char* what) {
  perror(what);
  exit(1);
}

uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

off_t next_place() {
  static uint64_t state = 88172645463325252;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<off_t>(state % (kDeviceMib * kMib / kPage) * kPage);
}

// One after the other.
template <typename Call>
void randomly(int device, Call call) {
  for (int i = 0; i < kRandomAccesses; ++i)
    if (call(device, buffer, kPage, next_place()) != static_cast<ssize_t>(kPage)) give_up("4 KiB");
}

// As many at a time as fit into a batch; the next batch when all of it is done.
void randomly_at_once(int device, uint16_t operation) {
  aio_context_t context = 0;
  if (syscall(SYS_io_setup, kDepth, &context) < 0) give_up("io_setup");
  iocb blocks[kDepth] = {};
  iocb* batch[kDepth];
  io_event events[kDepth];
  for (int i = 0; i < kDepth; ++i) {
    blocks[i].aio_lio_opcode = operation;
    blocks[i].aio_fildes = static_cast<uint32_t>(device);
    blocks[i].aio_buf = reinterpret_cast<uint64_t>(buffer + static_cast<size_t>(i) * kPage);
    blocks[i].aio_nbytes = kPage;
    batch[i] = &blocks[i];
  }
  for (int begun = 0; begun < kRandomAccesses; begun += kDepth) {
    for (iocb& block : blocks) block.aio_offset = next_place();
    if (syscall(SYS_io_submit, context, kDepth, batch) != kDepth) give_up("io_submit");
    if (syscall(SYS_io_getevents, context, kDepth, kDepth, events, nullptr) != kDepth) give_up("io_getevents");
    for (const io_event& event : events)
      if (event.res != static_cast<int64_t>(kPage)) give_up("4 KiB of many");
  }
  syscall(SYS_io_destroy, context);
}

template <typename Call>
void in_order(int device, Call call) {
  for (size_t i = 0; i < kDeviceMib; ++i)
    if (call(device, buffer, kMib, static_cast<off_t>(i * kMib)) != static_cast<ssize_t>(kMib)) give_up("1 MiB");
}

template <typename Job>
void measure(const char* name, Job job) {
  uint64_t began = now_ns();
  job();
  printf("%s %llu\n", name, static_cast<unsigned long long>(now_ns() - began));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  int device = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
  if (device < 0) give_up(argv[1]);
  memset(buffer, 'x', sizeof buffer);
  for (int left = atoi(argv[2]); left > 0; --left) {
    measure("sequential-write", [device] { in_order(device, ::pwrite); });
    measure("sequential-read", [device] { in_order(device, ::pread); });
    measure("random-read", [device] { randomly(device, ::pread); });
    measure("random-write", [device] { randomly(device, ::pwrite); });
    measure("random-reads-at-once", [device] { randomly_at_once(device, IOCB_CMD_PREAD); });
    measure("random-writes-at-once", [device] { randomly_at_once(device, IOCB_CMD_PWRITE); });
  }
}
