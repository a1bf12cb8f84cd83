// The system call instruction of x86_64.
#pragma once

#include <array>

namespace cloche::init::runtime {

using Arguments = std::array<long, 6>;

// As the kernel has it: -errno for an error.
inline long call(long number, const Arguments& arguments) {
  long result;
  register long fourth asm("r10") = arguments[3];
  register long fifth asm("r8") = arguments[4];
  register long sixth asm("r9") = arguments[5];
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2]), "r"(fourth), "r"(fifth),
                 "r"(sixth)
               : "rcx", "r11", "memory");
  return result;
}

}  // namespace cloche::init::runtime
