// What guest kernels of our own share: the serial port, random numbers, the registers of virtio-mmio devices.
//
// Entered at start() in 64-bit mode with the first 4 GiB mapped one to one. Code and stack lie below kPlayground, and
// no address that is given to a device does, so that the guest never corrupts itself.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

static const u64 kMmio = 0xd0000000, kPlayground = 32u << 20, kPlaygroundSize = 16u << 20;

static u64 state = 88172645463325252ul;

static u64 pick(void) {  // xorshift64
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static u32 below(u32 limit) { return (u32)(pick() % limit); }

static void say(const char* text) {
  for (; *text; ++text) __asm__ volatile("outb %0, %1" : : "a"(*text), "Nd"((u16)0x3f8));
}

static void say_number(u32 value) {
  char digits[12];
  int at = 11;
  digits[at] = 0;
  do digits[--at] = (char)('0' + value % 10);
  while (value /= 10);
  say(digits + at);
}

static volatile void* reg(u32 device, u32 offset) { return (volatile void*)(kMmio + device * 0x1000 + offset); }
static void set(u32 device, u32 offset, u32 value) { *(volatile u32*)reg(device, offset) = value; }
static u32 get(u32 device, u32 offset) { return *(volatile u32*)reg(device, offset); }

struct descriptor {
  u64 address;
  u32 length;
  u16 flags, next;
};

static void set_address(u32 device, u32 offset, u64 value) {
  set(device, offset, (u32)value);
  set(device, offset + 4, (u32)(value >> 32));
}

void run(void);

__attribute__((naked, section(".start"))) void start(void) { __asm__ volatile("cli; mov $0x1f00000, %rsp; call run"); }
