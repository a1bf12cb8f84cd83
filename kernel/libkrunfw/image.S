/* The guest kernel as it lies in memory, and a note by which libkrun.so.1 knows whose it is. */
  .section .kernel, "a", @progbits
  .balign 4096
  .globl cloche_kernel_begin
  .hidden cloche_kernel_begin
cloche_kernel_begin:
  .incbin KERNEL_IMAGE
  .globl cloche_kernel_end
  .hidden cloche_kernel_end
cloche_kernel_end:

  .section .note.cloche, "a", @note
  .balign 4
  .long 7, 0, 1 /* Sizes of the name and of the rest, which is empty; the type. */
  .asciz "cloche"
  .balign 4

  .section .note.GNU-stack, "", @progbits
