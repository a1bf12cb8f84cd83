// fs_job: one measured piece of file work, the same on a host's file system and in a guest's share.
//
// usage: fs_job RESULT JOB DIR [PROGRAM ARGUMENT...]
//
// Writes the nanoseconds that the job took into the file RESULT. DIR holds `large`, 64 MiB, and what the programs need.
// The job `exec` runs PROGRAM with DIR as its root.
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace {

constexpr size_t kMib = 1 << 20, kLargeMib = 64, kPage = 4096;
constexpr int kRandomAccesses = 4096, kSmallFiles = 10'000;

std::string directory;
alignas(kPage) char buffer[kMib];

[[noreturn]] void give_up(const char* what) {
  perror(what);
  exit(1);
}

template <typename T>
T check(T value, const char* what) {
  if (value < 0) give_up(what);
  return value;
}

int open_in(const char* name, int flags) {
  return check(open((directory + "/" + name).c_str(), flags | O_CLOEXEC, 0644), name);
}

uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void write_large() {
  int fd = open_in("new", O_WRONLY | O_CREAT | O_TRUNC);
  for (size_t i = 0; i < kLargeMib; ++i)
    if (write(fd, buffer, kMib) != static_cast<ssize_t>(kMib)) give_up("write");
  check(fsync(fd), "fsync");
  close(fd);
}

void read_large() {
  int fd = open_in("large", O_RDONLY);
  ssize_t got;
  while ((got = check(read(fd, buffer, kMib), "read")) > 0) {
  }
  close(fd);
}

// Reads it where it is mapped.
void map_large() {
  int fd = open_in("large", O_RDONLY);
  void* mapped = mmap(nullptr, kLargeMib * kMib, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) give_up("mmap");
  for (size_t i = 0; i < kLargeMib; ++i) memcpy(buffer, static_cast<char*>(mapped) + i * kMib, kMib);
  munmap(mapped, kLargeMib * kMib);
  close(fd);
}

// The same places in every run.
off_t next_place() {
  static uint64_t state = 88172645463325252;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<off_t>(state % (kLargeMib * kMib / kPage) * kPage);
}

void read_randomly(int flags) {
  int fd = open_in("large", O_RDONLY | flags);
  for (int i = 0; i < kRandomAccesses; ++i)
    if (pread(fd, buffer, kPage, next_place()) != static_cast<ssize_t>(kPage)) give_up("pread");
  close(fd);
}

void write_randomly(int flags) {
  int fd = open_in("large", O_WRONLY | flags);
  for (int i = 0; i < kRandomAccesses; ++i)
    if (pwrite(fd, buffer, kPage, next_place()) != static_cast<ssize_t>(kPage)) give_up("pwrite");
  check(fsync(fd), "fsync");
  close(fd);
}

void small_files() {
  check(mkdir((directory + "/small").c_str(), 0755), "mkdir");
  auto name = [](int i) { return "small/" + std::to_string(i); };
  for (int i = 0; i < kSmallFiles; ++i) {
    int fd = open_in(name(i).c_str(), O_WRONLY | O_CREAT);
    if (write(fd, buffer, 100) != 100) give_up("write");
    close(fd);
  }
  struct stat found;
  for (int i = 0; i < kSmallFiles; ++i) check(stat((directory + "/" + name(i)).c_str(), &found), "stat");
  for (int i = 0; i < kSmallFiles; ++i) check(unlink((directory + "/" + name(i)).c_str()), "unlink");
  check(rmdir((directory + "/small").c_str()), "rmdir");
}

// The system's /dev in the new root, for this process and its children only.
void show_devices() {
  check(unshare(CLONE_NEWNS), "unshare");
  check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
  check(mount("/dev", (directory + "/dev").c_str(), nullptr, MS_BIND, nullptr), "bind /dev");
}

void run(char** words) {
  pid_t child = check(fork(), "fork");
  if (child == 0) {
    check(chroot(directory.c_str()), "chroot");
    check(chdir("/"), "chdir");
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    execv(words[0], words);
    give_up(words[0]);
  }
  int status = 0;
  check(waitpid(child, &status, 0), "waitpid");
  if (status != 0) {
    fprintf(stderr, "%s ended with status %#x\n", words[0], status);
    exit(1);
  }
}

bool do_job(const std::string& job, char** words) {
  if (job == "write") return write_large(), true;
  if (job == "read") return read_large(), true;
  if (job == "map") return map_large(), true;
  if (job == "random-read") return read_randomly(0), true;
  if (job == "random-read-direct") return read_randomly(O_DIRECT), true;
  if (job == "random-write") return write_randomly(0), true;
  if (job == "random-write-direct") return write_randomly(O_DIRECT), true;
  if (job == "small-files") return small_files(), true;
  if (job == "exec" && words[0] != nullptr) return run(words), true;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  directory = argv[3];
  memset(buffer, 'x', sizeof buffer);
  if (strcmp(argv[2], "exec") == 0) show_devices();
  if (strcmp(argv[2], "map") == 0) map_large();  // What is measured is the second time.
  uint64_t began = now_ns();
  if (!do_job(argv[2], argv + 4)) return 2;
  uint64_t took = now_ns() - began;
  FILE* result = fopen(argv[1], "w");
  if (result == nullptr) give_up(argv[1]);
  fprintf(result, "%llu\n", static_cast<unsigned long long>(took));
  return fclose(result) == 0 ? 0 : 1;
}
