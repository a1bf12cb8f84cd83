// Where the kernel enters the program, and the one system call that comes back on another stack: x86_64.

// The stack is as the kernel left it, aligned to 16; arguments and environment of PID 1 are not used.
asm(R"(
  .text
  .globl _start
  .type _start, @function
_start:
  xorl %ebp, %ebp
  call cloche_begin
  hlt
  .size _start, . - _start
)");

// long cloche_raw_clone(int (*function)(void*), void* stack, long flags, void* argument): the child, where it shares
// the caller's memory, must not return through a frame that its parent still needs. So it calls `function` on its own
// stack and ends after it.
asm(R"(
  .text
  .globl cloche_raw_clone
  .type cloche_raw_clone, @function
cloche_raw_clone:
  andq $-16, %rsi
  subq $16, %rsi
  movq %rdi, (%rsi)
  movq %rcx, 8(%rsi)
  movq %rdx, %rdi
  xorl %edx, %edx
  xorl %r10d, %r10d
  xorl %r8d, %r8d
  movl $56, %eax
  syscall
  testq %rax, %rax
  jz 1f
  ret
1:
  xorl %ebp, %ebp
  popq %rax
  popq %rdi
  call *%rax
  movl %eax, %edi
  movl $60, %eax
  syscall
  hlt
  .size cloche_raw_clone, . - cloche_raw_clone
)");
