// What the compiler expects of a C library, and the heap. Compiled -ffreestanding, so that no loop here becomes a call
// of itself.
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>

#include "guest/init/runtime/runtime.h"

namespace cloche::init::runtime {
namespace {

constexpr size_t kAlignment = 16;
constexpr size_t kFirst =
    64 << 10;  // Serves nearly every guest without a system call; untouched pages of it cost nothing.
constexpr size_t kMore = 1 << 20;

alignas(kAlignment) std::byte first[kFirst];
std::byte* next = first;
size_t left = kFirst;

// Memory is handed out and never taken back: what PID 1 allocates it allocates once, before the command runs.
void* allocate(size_t size) {
  size = (size + kAlignment - 1) & ~(kAlignment - 1);
  if (size > left) {
    left = size > kMore ? size : kMore;
    void* more = ::mmap(nullptr, left, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (more == MAP_FAILED) die("out of memory");
    next = static_cast<std::byte*>(more);
  }
  void* result = next;
  next += size;
  left -= size;
  return result;
}

}  // namespace
}  // namespace cloche::init::runtime

void* operator new(size_t size) { return cloche::init::runtime::allocate(size); }
void* operator new[](size_t size) { return cloche::init::runtime::allocate(size); }
void operator delete(void*) noexcept {}
void operator delete(void*, size_t) noexcept {}
void operator delete[](void*) noexcept {}
void operator delete[](void*, size_t) noexcept {}

extern "C" {

void* memcpy(void* __restrict to, const void* __restrict from, size_t size) {
  auto* out = static_cast<unsigned char*>(to);
  const auto* in = static_cast<const unsigned char*>(from);
  for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t)) {
    uint64_t word;
    __builtin_memcpy(&word, in, sizeof word);  // One unaligned load and store, no call.
    __builtin_memcpy(out, &word, sizeof word);
    in += sizeof word;
    out += sizeof word;
  }
  while (size-- > 0) *out++ = *in++;
  return to;
}

void* memmove(void* to, const void* from, size_t size) {
  auto* out = static_cast<unsigned char*>(to);
  const auto* in = static_cast<const unsigned char*>(from);
  if (out <= in || out >= in + size) return memcpy(to, from, size);  // Ascending copies may overlap downwards.
  while (size-- > 0) out[size] = in[size];
  return to;
}

void* memset(void* to, int value, size_t size) {
  auto* out = static_cast<unsigned char*>(to);
  uint64_t word = 0x0101010101010101 * static_cast<unsigned char>(value);
  for (; size >= sizeof word; size -= sizeof word, out += sizeof word) __builtin_memcpy(out, &word, sizeof word);
  while (size-- > 0) *out++ = static_cast<unsigned char>(value);
  return to;
}

int memcmp(const void* left, const void* right, size_t size) {
  const auto* a = static_cast<const unsigned char*>(left);
  const auto* b = static_cast<const unsigned char*>(right);
  for (; size > 0; --size, ++a, ++b)
    if (*a != *b) return *a < *b ? -1 : 1;
  return 0;
}

int bcmp(const void* left, const void* right, size_t size) { return memcmp(left, right, size); }  // Clang's choice.

void* memchr(const void* from, int value, size_t size) {
  const auto* in = static_cast<const unsigned char*>(from);
  for (; size > 0; --size, ++in)
    if (*in == static_cast<unsigned char>(value)) return const_cast<unsigned char*>(in);
  return nullptr;
}

size_t strlen(const char* text) {
  size_t size = 0;
  while (text[size] != '\0') ++size;
  return size;
}

}  // extern "C"
