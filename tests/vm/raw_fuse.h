// A guest that speaks FUSE itself: drives the file-sharing devices as a driver does, builds raw requests, takes replies
// apart, and counts which of them are as expected.
#pragma once

#include <asm-generic/errno.h>
#include <linux/fuse.h>
#include <linux/stat.h>

#include "bare_metal.h"

enum {
  kMostDevices = 16,
  kFsDevice = 26,
  kVersion1 = 1,  // Bit 32 of the features.
  kNext = 1,
  kWrite = 2,
  kNeedsReset = 64,
  kFirst = 0,  // The queue of FORGET.
  kRequests = 1,
  kQueueSize = 64,
  kRoom = 128 << 10,
  kHead = sizeof(struct fuse_in_header),
  kSpinsPerLook = 1 << 14,
};
static const u64 kPatience = 60ul << 30;                    // Ticks of the time-stamp counter: some 20 to 60 s.
static const u64 kRequestAt = 4 << 20, kReplyAt = 8 << 20;  // In the playground, after the rings.

// What an answer may be besides an errno.
enum { kSilence = -1, kFault = -2, kAnyErrno = -3, kAnything = -4 };

// --- The device

struct queue {
  volatile struct descriptor* table;
  volatile u16* avail;
  volatile u16* used;  // flags, index, then {u32 id, u32 length} each.
};

struct share {
  u32 device;
  struct queue queues[2];
  u64 unique;
};

static struct share shares[2];
static struct share* to;  // Whom requests go to.
static u32 good, wrong, leaks;
static const char* part = "";    // What is being tried, for messages.
static const char* secret = "";  // What must be in no reply.
static u32 request_size;

static u8* request(void) { return (u8*)(kPlayground + kRequestAt); }
static u8* reply(void) { return (u8*)(kPlayground + kReplyAt); }
static const void* answer(void) { return reply() + sizeof(struct fuse_out_header); }
static u32 answer_size(void) { return ((struct fuse_out_header*)reply())->len - sizeof(struct fuse_out_header); }

// The compiler calls them.
void* memset(void* at, int value, unsigned long size) {
  void* start = at;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
  return start;
}
void* memcpy(void* at, const void* from, unsigned long size) {
  void* start = at;
  __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
  return start;
}

static u32 length(const char* text) {
  u32 size = 0;
  while (text[size]) ++size;
  return size;
}

static int holds(const u8* bytes, u32 size, const char* text) {
  u32 wanted = length(text);
  for (u32 at = 0; at + wanted <= size; ++at) {
    u32 same = 0;
    while (same < wanted && bytes[at + same] == (u8)text[same]) ++same;
    if (same == wanted) return 1;
  }
  return 0;
}

static u64 ticks(void) {
  u32 low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (u64)high << 32 | low;
}

static __attribute__((noreturn)) void restart(void) {
  __asm__ volatile("outb %0, %1" : : "a"((u8)0xfe), "Nd"((u16)0x64));
  for (;;) __asm__ volatile("hlt");
}

static void start_queue(u32 index) {
  u64 at = kPlayground + (u64)(to - shares) * 0x10000 + index * 0x4000;
  memset((void*)at, 0, 0x4000);
  to->queues[index] = (struct queue){
      (volatile struct descriptor*)at,
      (volatile u16*)(at + 0x1000),
      (volatile u16*)(at + 0x2000),
  };
  to->queues[index].avail[0] = 1;  // No interrupts.
  set(to->device, 0x30, index);
  set(to->device, 0x38, kQueueSize);
  set_address(to->device, 0x80, at);
  set_address(to->device, 0x90, at + 0x1000);
  set_address(to->device, 0xa0, at + 0x2000);
  set(to->device, 0x44, 1);
}

static void start_device(void) {
  set(to->device, 0x70, 0);
  set(to->device, 0x70, 1);
  set(to->device, 0x70, 3);
  set(to->device, 0x24, 1);
  set(to->device, 0x20, kVersion1);
  set(to->device, 0x70, 11);
  start_queue(kFirst);
  start_queue(kRequests);
  set(to->device, 0x70, 15);
}

// The two devices with a tag other than the root's.
static int find_shares(void) {
  u32 found = 0;
  for (u32 device = 0; device < kMostDevices && found < 2; ++device) {
    if (get(device, 0x08) != kFsDevice || holds((const u8*)reg(device, 0x100), 36, "root")) continue;
    shares[found++].device = device;
  }
  return found == 2;
}

// Offers the chain that starts at descriptor 0; what the device wrote, kSilence or kFault.
static int offer(u32 index) {
  struct queue* queue = &to->queues[index];
  u16 done = queue->used[1];
  queue->avail[2 + queue->avail[1] % kQueueSize] = 0;
  __asm__ volatile("" : : : "memory");
  ++queue->avail[1];
  set(to->device, 0x50, index);
  u64 end = ticks() + kPatience;
  for (u32 spins = 1; queue->used[1] == done; ++spins) {
    if (spins % kSpinsPerLook != 0) continue;
    if (get(to->device, 0x70) & kNeedsReset) return kFault;
    if (ticks() < end) continue;
    say("WRONG there is no answer\n");
    restart();
  }
  u32 written = *(volatile u32*)(queue->used + 2 + 4 * (done % kQueueSize) + 2);
  return written == 0 ? kSilence : (int)written;
}

// --- Requests

static void say_wrong(const char* what, u64 which) {
  ++wrong;
  say("WRONG ");
  say(part);
  say(": ");
  say(what);
  say(" ");
  say_number((u32)which);
}

static void must(int holds_true, const char* what) {
  if (holds_true) {
    ++good;
  } else {
    say_wrong(what, 0);
    say("\n");
  }
}

static void begin(u32 opcode, u64 node) {
  struct fuse_in_header head = {.opcode = opcode, .unique = ++to->unique, .nodeid = node};
  memcpy(request(), &head, kHead);
  request_size = kHead;
}

static void put(const void* bytes, u32 size) {
  memcpy(request() + request_size, bytes, size);
  request_size += size;
}
static void text(const char* name) { put(name, length(name) + 1); }
static void fill(u8 byte, u32 size) {
  memset(request() + request_size, byte, size);
  request_size += size;
}

// Sends what was put together, as two descriptors at most. An errno, 0 or one of the above.
static int exchange(u32 queue, u32 size, u32 room) {
  volatile struct descriptor* table = to->queues[queue].table;
  struct fuse_out_header* out = (struct fuse_out_header*)reply();
  out->len = 0;
  table[0].address = kPlayground + kRequestAt;
  table[0].length = size;
  table[0].flags = room ? kNext : 0;
  table[0].next = 1;
  table[1].address = kPlayground + kReplyAt;
  table[1].length = room;
  table[1].flags = kWrite;
  int written = offer(queue);
  if (written < 0) return written;
  u64 unique = ((struct fuse_in_header*)request())->unique;
  must((u32)written <= room && out->len == (u32)written && out->unique == unique && out->error <= 0 &&
           out->error > -4096 && (out->error == 0 || written == sizeof *out),
       "a reply's header");
  if (holds(reply(), (u32)written, secret)) ++leaks;
  return -out->error;
}

static int send(void) {
  ((struct fuse_in_header*)request())->len = request_size;
  return exchange(kRequests, request_size, kRoom);
}

static void expect(int wanted, int got, const char* what, u64 which) {
  if (got == wanted || (wanted == kAnyErrno && got > 0) || (wanted == kAnything && got >= 0)) {
    ++good;
    return;
  }
  say_wrong(what, which);
  say(": ");
  if (got < 0) say("-");
  say_number((u32)(got < 0 ? -got : got));
  say(", not ");
  if (wanted < 0) say("-");
  say_number((u32)(wanted < 0 ? -wanted : wanted));
  say("\n");
}
