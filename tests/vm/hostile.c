// A guest kernel that is an enemy: writes random values to every virtio-mmio register and sets up rings full of
// nonsense, for ever. It says on the serial port how far it is.
#include "bare_metal.h"

enum { kDevices = 10, kQueueSize = 64 };

// An address that a device may be told: mostly in the playground, sometimes at its edge, beyond memory, or at the end
// of all.
static u64 address(void) {
  switch (below(16)) {
    case 0:
      return ~0ul - below(64);
    case 1:
      return 0xbfffff00ul + below(0x200);
    case 2:
      return 0x100000000ul + below(0x1000);
    case 3:
      return kMmio + below(0x4000);
    case 4:
      return pick() | 1ul << 40;
    default:
      return kPlayground + below(kPlaygroundSize);
  }
}

static u32 length(void) {
  static const u32 kOdd[] = {0,  1,      3,       8,        12,         16,          40,         44,
                             80, 0xffff, 0x10000, 0x100000, 0x7fffffff, 0x80000000u, 0xffffffffu};
  return below(3) ? kOdd[below(sizeof kOdd / sizeof *kOdd)] : below(8192);
}

// Offsets that hold halves of addresses: their values come in pairs from address().
static int is_address(u32 offset) { return offset >= 0x80 && offset <= 0xa7; }

static void poke(u32 device) {
  u32 offset = below(0x200);
  if (below(4)) offset &= ~3u;
  if (is_address(offset)) return;
  volatile void* where = reg(device, offset);
  u64 value = below(2) ? below(16) : pick();
  switch (below(8)) {
    case 0:
      *(volatile u8*)where = (u8)value;
      break;
    case 1:
      *(volatile u16*)where = (u16)value;
      break;
    case 2:
      if (offset + 8 <= 0x80 || offset > 0xa7) *(volatile u64*)where = value;
      break;
    case 3:
      (void)*(volatile u8*)where;
      break;
    case 4:
      (void)*(volatile u64*)where;
      break;
    default:
      *(volatile u32*)where = (u32)value;
      break;
  }
}

// Fills a descriptor table, with a FUSE or vsock header that is nearly right at the start of some buffers.
static void fill(volatile struct descriptor* table) {
  for (u32 i = 0; i < kQueueSize; ++i) {
    u64 where = address();
    table[i].address = where;
    table[i].length = length();
    table[i].flags = (u16)(below(4) ? below(8) : pick());
    table[i].next = (u16)(below(8) ? below(kQueueSize) : pick());
    if (where < kPlayground || where > kPlayground + kPlaygroundSize - 256) continue;
    volatile u32* words = (volatile u32*)(where & ~3ul);
    for (u32 w = 0; w < 24; ++w) words[w] = below(3) ? below(64) : (u32)pick();
    words[0] = below(2) ? 40 + below(64) : table[i].length;
  }
}

// The handshake as a driver does it, with one step in eight left out or wrong, then a storm of kicks.
static void drive(u32 device) {
  set(device, 0x70, 0);
  set(device, 0x70, 1);
  set(device, 0x70, 3);
  for (u32 word = 0; word < 2; ++word) {
    set(device, 0x14, word);
    u32 offered = get(device, 0x10);
    set(device, 0x24, word);
    set(device, 0x20, below(8) ? offered & (below(4) ? ~0u : (u32)pick()) : (u32)pick());
  }
  set(device, 0x70, 11);
  u32 queues = 1 + below(3);
  for (u32 queue = 0; queue < queues; ++queue) {
    u64 rings = kPlayground + (below(2048) << 12);
    set(device, 0x30, queue);
    set(device, 0x38, below(8) ? kQueueSize : (u32)pick());
    fill((volatile struct descriptor*)rings);
    volatile u16* avail = (volatile u16*)(rings + 0x1000);
    for (u32 i = 0; i < kQueueSize; ++i) avail[2 + i] = (u16)(below(8) ? below(kQueueSize) : pick());
    avail[0] = (u16)below(2);
    avail[1] = (u16)(below(8) ? 1 + below(kQueueSize) : pick());
    set_address(device, 0x80, below(16) ? rings : address());
    set_address(device, 0x90, below(16) ? rings + 0x1000 : address());
    set_address(device, 0xa0, below(16) ? rings + 0x2000 : address());
    set(device, 0x44, 1);
  }
  set(device, 0x70, 15);
  for (u32 kick = below(32); kick; --kick) set(device, 0x50, below(8) ? below(3) : (u32)pick());
}

void run(void) {
  for (u32 round = 0;; ++round) {
    u32 device = below(kDevices);
    drive(device);
    for (u32 i = below(64); i; --i) poke(below(kDevices));
    if ((round & 63) == 0) {
      say("hostile: round ");
      say_number(round);
      say("\n");
    }
  }
}
