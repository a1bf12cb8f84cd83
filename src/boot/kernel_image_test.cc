#include "boot/kernel_image.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <random>

#include "base/endian.h"
#include "base/fd.h"

namespace cloche::boot {
namespace {

using ::testing::HasSubstr;

GuestMemory memory_of(uint64_t mib) {
  std::array ranges{GuestMemory::Range{{0}, mib << 20}};
  return GuestMemory::create(ranges).value();
}

class KernelFileTest : public ::testing::Test {
 protected:
  std::string write(std::span<const std::byte> bytes) {
    std::string path = ::testing::TempDir() + "kernel-XXXXXX";
    Fd fd(::mkstemp(path.data()));
    EXPECT_TRUE(write_full(fd.get(), bytes));
    paths_.push_back(path);
    return path;
  }
  std::string write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  void TearDown() override {
    for (const auto& path : paths_) ::unlink(path.c_str());
  }
  std::string why(const std::string& path) {
    auto memory = memory_of(64);
    auto loaded = load_kernel(path, memory);
    return loaded ? "it loaded" : loaded.error().message();
  }
  std::vector<std::string> paths_;
};

struct ElfFile {
  Elf64_Ehdr header{};
  Elf64_Phdr segment{};
  std::array<std::byte, 64> code{};
};

ElfFile small_elf() {
  ElfFile file;
  std::memcpy(file.header.e_ident, ELFMAG, SELFMAG);
  file.header.e_ident[EI_CLASS] = ELFCLASS64;
  file.header.e_type = ET_EXEC;
  file.header.e_machine = EM_X86_64;
  file.header.e_phoff = sizeof file.header;
  file.header.e_phnum = 1;
  file.header.e_phentsize = sizeof(Elf64_Phdr);
  file.header.e_entry = 0x1000010;
  file.segment.p_type = PT_LOAD;
  file.segment.p_offset = offsetof(ElfFile, code);
  file.segment.p_paddr = 0x1000000;
  file.segment.p_vaddr = 0xffffffff81000000;
  file.segment.p_filesz = file.code.size();
  file.segment.p_memsz = 0x2345;
  file.code.fill(std::byte{0xf4});
  return file;
}

std::span<const std::byte> bytes_of(const ElfFile& file) { return std::as_bytes(std::span(&file, 1)); }

TEST_F(KernelFileTest, LoadsElfSegments) {
  auto memory = memory_of(64);
  auto kernel = load_kernel(write(bytes_of(small_elf())), memory);
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->entry.value, 0x1000010u);
  EXPECT_EQ(kernel->first_free.value, 0x1003000u);
  EXPECT_EQ(memory.load<uint8_t>({0x1000010}).value(), 0xf4);
  EXPECT_EQ(memory.load<uint8_t>({0x1000040}).value(), 0);
}

TEST_F(KernelFileTest, TurnsAVirtualEntryIntoAPhysicalOne) {
  auto file = small_elf();
  file.header.e_entry = 0xffffffff81000020;
  auto memory = memory_of(64);
  auto kernel = load_kernel(write(bytes_of(file)), memory);
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->entry.value, 0x1000020u);
}

TEST_F(KernelFileTest, SaysWhatAFileIsInstead) {
  EXPECT_THAT(why(write("")), HasSubstr("the file is empty"));
  EXPECT_THAT(why(write("#!/bin/sh\necho hello\n")), HasSubstr("a text file"));
  EXPECT_THAT(why(write(std::string_view("\x1f\x8b\x08\x00", 4))), HasSubstr("gzip"));
  EXPECT_THAT(why(write(std::string_view("MZ\x90\x00\x03", 5))), HasSubstr("PE image"));
  EXPECT_THAT(why(write(std::string_view("\x00\x01\x02\x03\x04", 5))), HasSubstr("neither"));
  EXPECT_THAT(why("/nonexistent/kernel"), HasSubstr("No such file"));
  EXPECT_THAT(why("/tmp"), HasSubstr("not a regular file"));
}

TEST_F(KernelFileTest, RefusesOtherArchitecturesAndClasses) {
  auto file = small_elf();
  file.header.e_machine = EM_AARCH64;
  EXPECT_THAT(why(write(bytes_of(file))), HasSubstr("another architecture"));
  file = small_elf();
  file.header.e_ident[EI_CLASS] = ELFCLASS32;
  EXPECT_THAT(why(write(bytes_of(file))), HasSubstr("32-bit"));
}

TEST_F(KernelFileTest, RefusesTruncatedAtEveryLength) {
  auto file = small_elf();
  for (size_t size = 0; size < sizeof file; size += 7)
    EXPECT_NE(why(write(bytes_of(file).first(size))), "it loaded") << size;
}

TEST_F(KernelFileTest, RefusesWildNumbers) {
  auto check = [&](auto change, const char* expected) {
    auto file = small_elf();
    change(file);
    EXPECT_THAT(why(write(bytes_of(file))), HasSubstr(expected));
  };
  check([](ElfFile& f) { f.segment.p_paddr = 0x7000; }, "below 1 MiB");
  check([](ElfFile& f) { f.segment.p_paddr = UINT64_MAX - 5; }, "");
  check([](ElfFile& f) { f.segment.p_memsz = UINT64_MAX; }, "damaged segment sizes");
  check(
      [](ElfFile& f) {
        f.segment.p_filesz = 1 << 20;
        f.segment.p_memsz = 1 << 20;
      },
      "truncated");
  check([](ElfFile& f) { f.segment.p_memsz = 100 << 20; }, "does not fit");
  check([](ElfFile& f) { f.segment.p_offset = UINT64_MAX - 3; }, "truncated");
  check([](ElfFile& f) { f.header.e_phnum = 0; }, "no program headers");
  check([](ElfFile& f) { f.header.e_phnum = 60000; }, "no program headers");
  check([](ElfFile& f) { f.header.e_phoff = UINT64_MAX; }, "truncated");
  check([](ElfFile& f) { f.header.e_entry = 0x10; }, "");
  check([](ElfFile& f) { f.segment.p_type = PT_NOTE; }, "nothing to load");
}

std::vector<std::byte> small_bzimage() {
  std::vector<std::byte> file(0x200 * 3 + 4096, std::byte{0x90});
  auto put = [&](size_t at, auto value) { std::memcpy(file.data() + at, &value, sizeof value); };
  put(0x1f1, uint8_t{2});
  put(0x1fe, le16{0xaa55});
  std::memcpy(file.data() + 0x202, "HdrS", 4);
  put(0x206, le16{0x20f});
  put(0x236, le16{1});
  put(0x258, le64{0x1000000});
  put(0x260, le32{0x100000});
  return file;
}

TEST_F(KernelFileTest, LoadsABzImageAtItsPreferredAddress) {
  auto memory = memory_of(64);
  auto kernel = load_kernel(write(small_bzimage()), memory);
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->entry.value, 0x1000200u);
  EXPECT_EQ(kernel->first_free.value, 0x1100000u);
  ASSERT_TRUE(kernel->setup_header);
  EXPECT_EQ((*kernel->setup_header)[0x202 - 0x1f1], std::byte{'H'});
}

TEST_F(KernelFileTest, RefusesABzImageWithoutA64BitEntry) {
  auto file = small_bzimage();
  file[0x236] = std::byte{0};
  EXPECT_THAT(why(write(file)), HasSubstr("no 64-bit entry"));
  file = small_bzimage();
  file[0x263] = std::byte{0xff};
  EXPECT_THAT(why(write(file)), HasSubstr("unpack itself"));
  file = small_bzimage();
  file.resize(700);
  EXPECT_THAT(why(write(file)), HasSubstr("truncated"));
}

TEST_F(KernelFileTest, SurvivesRandomDamage) {
  std::mt19937 random(1);
  auto memory = memory_of(64);
  for (int round = 0; round < 2000; ++round) {
    auto elf = small_elf();
    std::vector<std::byte> file(bytes_of(elf).begin(), bytes_of(elf).end());
    if (round % 2 == 1) file = small_bzimage();
    for (int i = 0; i < 3; ++i)
      file[4 + random() % (std::min<size_t>(file.size(), 0x270) - 4)] = static_cast<std::byte>(random());
    static_cast<void>(load_kernel(write(file), memory));
    ::unlink(paths_.back().c_str());
    paths_.pop_back();
  }
}

TEST(RawKernel, MustFitAndHoldItsEntry) {
  auto memory = memory_of(32);
  std::array<std::byte, 100> image{};
  EXPECT_TRUE(load_raw_kernel(image, {0x1000000}, {0x1000010}, memory));
  EXPECT_FALSE(load_raw_kernel(image, {0x1000000}, {0x1000064}, memory));
  EXPECT_FALSE(load_raw_kernel(image, {0x1000}, {0x1000}, memory));
  EXPECT_FALSE(load_raw_kernel(image, {UINT64_MAX - 10}, {UINT64_MAX - 5}, memory));
  EXPECT_FALSE(load_raw_kernel({}, {0x1000000}, {0x1000000}, memory));
}

}  // namespace
}  // namespace cloche::boot
