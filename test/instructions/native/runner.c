// Runs instructions on the real processor: reads cases from stdin, writes results to stdout (layouts below, also
// in test/instructions/native.ts). Built and used only to record vectors and to fuzz: gcc -O1 -static -o runner runner.c
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define DATA 0x10000000ul
#define CODE 0x10010000ul
#define CONTEXT 0x10020000ul
#define FS_BASE 0x10000100ul
#define WINDOW 1024

struct state {
  uint64_t gpr[16];
  uint64_t rflags;
  uint64_t pad;
  uint8_t xmm[256];
  uint8_t memory[WINDOW];
};
struct test {
  uint64_t length;
  uint8_t code[248];
  struct state in;
};
struct result {
  uint64_t signal;
  uint64_t pad;
  struct state out;
};

// At CONTEXT, reached with absolute 32-bit addresses, so that no register is needed.
struct context {
  uint64_t gpr[16];    // 0
  uint64_t rflags;     // 128
  uint64_t entry;      // 136
  uint64_t host_rsp;   // 144
  uint64_t host_fs;    // 152
  uint64_t guest_fs;   // 160
  uint64_t leave;      // 168
  uint64_t out[16];    // 176
  uint64_t out_rflags; // 304
  uint64_t pad;        // 312
  uint8_t xmm[256];    // 320
  uint8_t out_xmm[256]; // 576
};
#define context ((struct context *)CONTEXT)

void enter(void);
void leave_guest(void);
__asm__(
    ".intel_syntax noprefix\n"
    ".equ C, 0x10020000\n"
    ".globl enter\nenter:\n"
    "push rbx\npush rbp\npush r12\npush r13\npush r14\npush r15\n"
    "mov [C+144], rsp\n"
    "rdfsbase rax\nmov [C+152], rax\n"
    "mov rax, [C+160]\nwrfsbase rax\n"
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\nmovups xmm\\n, [C+320+16*\\n]\n.endr\n"
    "push qword ptr [C+128]\npopfq\n"
    "mov rax, [C+0]\nmov rcx, [C+8]\nmov rdx, [C+16]\nmov rbx, [C+24]\n"
    "mov rsp, [C+32]\nmov rbp, [C+40]\nmov rsi, [C+48]\nmov rdi, [C+56]\n"
    "mov r8, [C+64]\nmov r9, [C+72]\nmov r10, [C+80]\nmov r11, [C+88]\n"
    "mov r12, [C+96]\nmov r13, [C+104]\nmov r14, [C+112]\nmov r15, [C+120]\n"
    "jmp [C+136]\n"
    ".globl leave_guest\nleave_guest:\n"
    "mov [C+176], rax\nmov [C+184], rcx\nmov [C+192], rdx\nmov [C+200], rbx\n"
    "mov [C+208], rsp\nmov [C+216], rbp\nmov [C+224], rsi\nmov [C+232], rdi\n"
    "mov [C+240], r8\nmov [C+248], r9\nmov [C+256], r10\nmov [C+264], r11\n"
    "mov [C+272], r12\nmov [C+280], r13\nmov [C+288], r14\nmov [C+296], r15\n"
    "mov rsp, [C+144]\n"
    "pushfq\npop qword ptr [C+304]\n"
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\nmovups [C+576+16*\\n], xmm\\n\n.endr\n"
    "mov rax, [C+152]\nwrfsbase rax\n"
    "cld\n"
    "pop r15\npop r14\npop r13\npop r12\npop rbp\npop rbx\nret\n"
    ".att_syntax\n");

static volatile int caught;
// Runs with the guest's FS base: touches no thread-local storage.
static void on_signal(int number, siginfo_t *info, void *raw) {
  (void)info;
  ucontext_t *uc = raw;
  caught = number;
  uc->uc_mcontext.gregs[REG_RIP] = (greg_t)leave_guest;
}

static void *map(uint64_t address, int protection) {
  void *p = mmap((void *)address, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p != (void *)address) {
    perror("mmap");
    exit(1);
  }
  return p;
}

int main(void) {
  uint8_t *data = map(DATA, PROT_READ | PROT_WRITE);
  uint8_t *code = map(CODE, PROT_READ | PROT_WRITE | PROT_EXEC);
  map(CONTEXT, PROT_READ | PROT_WRITE);
  stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  context->guest_fs = FS_BASE;
  context->leave = (uint64_t)leave_guest;
  context->entry = CODE;
  static struct test test;
  static struct result result;
  while (fread(&test, sizeof test, 1, stdin) == 1) {
    memcpy(code, test.code, test.length);
    // jmp [CONTEXT + 168]
    uint8_t jump[] = {0xff, 0x24, 0x25, 168, 0x00, 0x02, 0x10};
    memcpy(code + test.length, jump, sizeof jump);
    memcpy(data, test.in.memory, WINDOW);
    memcpy(context->gpr, test.in.gpr, sizeof context->gpr);
    memcpy(context->xmm, test.in.xmm, sizeof context->xmm);
    context->rflags = test.in.rflags;
    caught = 0;
    enter();
    result.signal = caught;
    memcpy(result.out.gpr, context->out, sizeof context->out);
    memcpy(result.out.xmm, context->out_xmm, sizeof context->out_xmm);
    result.out.rflags = context->out_rflags;
    memcpy(result.out.memory, data, WINDOW);
    fwrite(&result, sizeof result, 1, stdout);
  }
  return 0;
}
