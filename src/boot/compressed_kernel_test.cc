#include "boot/compressed_kernel.h"

#include <bzlib.h>
#include <elf.h>
#include <gmock/gmock.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <functional>

#include "boot/kernel_image.h"

namespace cloche::boot {
namespace {

using ::testing::HasSubstr;

std::string gzip(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string bzip2(std::string_view text) {
  auto size = static_cast<unsigned>(text.size() + text.size() / 50 + 1000);
  std::string out(size, '\0');
  EXPECT_EQ(::BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(text.data()),
                                       static_cast<unsigned>(text.size()), 9, 0, 0),
            BZ_OK);
  out.resize(size);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(::ZSTD_compressBound(text.size()), '\0');
  out.resize(::ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

struct Method {
  Compression compression;
  FileFormat format;
  std::string (*compress)(std::string_view);
};
constexpr std::array<Method, 3> kMethods{{{Compression::kBzip2, FileFormat::kBzip2, bzip2},
                                          {Compression::kGzip, FileFormat::kGzip, gzip},
                                          {Compression::kZstd, FileFormat::kZstd, zstd}}};

// A kernel of one segment with `size` bytes of code, which do not compress to nothing.
std::string kernel_of(size_t size) {
  Elf64_Ehdr header{};
  std::copy_n(ELFMAG, SELFMAG, header.e_ident);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof header;
  header.e_phnum = 1;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_entry = 0x1000010;
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_paddr = 0x1000000;
  segment.p_filesz = segment.p_memsz = size;
  std::string text(reinterpret_cast<char*>(&header), sizeof header);
  text.append(reinterpret_cast<char*>(&segment), sizeof segment);
  for (size_t at = 0; at < size; ++at) text.push_back(static_cast<char>(at * at >> 7));
  return text;
}

class CompressedKernelTest : public ::testing::TestWithParam<Method> {
 protected:
  ~CompressedKernelTest() override { ::unlink(path_.c_str()); }
  const std::string& write(std::string_view text) {
    Fd fd(::mkstemp(path_.data()));
    path_in_use_ = path_;
    EXPECT_TRUE(write_full(fd.get(), std::as_bytes(std::span(text))));
    return path_in_use_;
  }
  Result<LoadedKernel> load(std::string_view text) {
    path_ = ::testing::TempDir() + "kernel-XXXXXX";
    std::array ranges{GuestMemory::Range{{0}, 64 << 20}};
    memory_ = GuestMemory::create(ranges).value();
    auto loaded = load_kernel(write(text), memory_, GetParam().format);
    ::unlink(path_.c_str());
    return loaded;
  }
  std::string why(std::string_view text) {
    auto loaded = load(text);
    return loaded ? "it loaded" : loaded.error().message();
  }
  std::string packed(size_t size = 1 << 20) { return GetParam().compress(kernel_of(size)); }

  GuestMemory memory_;
  std::string path_ = ::testing::TempDir() + "kernel-XXXXXX", path_in_use_;
};

TEST_P(CompressedKernelTest, FindsTheKernelBehindAndBeforeAnything) {
  for (const std::string& before : {std::string(), std::string(4096, 'x'), packed().substr(0, 7)}) {
    auto kernel = load(before + packed() + "and more");
    ASSERT_TRUE(kernel) << kernel.error().message();
    EXPECT_EQ(kernel->entry.value, 0x1000010u);
    EXPECT_EQ(memory_.load<uint8_t>({0x1000000 + 0xfffff}).value(), static_cast<uint8_t>(0xfffffull * 0xfffff >> 7));
  }
}

TEST_P(CompressedKernelTest, SaysWhatIsWrong) {
  EXPECT_THAT(why(""), HasSubstr("no ELF kernel is compressed"));
  EXPECT_THAT(why(std::string(100'000, 'x')), HasSubstr("no ELF kernel is compressed"));
  EXPECT_THAT(why(GetParam().compress("a text, not a kernel")), HasSubstr("no ELF kernel is compressed"));
  EXPECT_NE(why(packed().substr(0, packed().size() - 100)), "it loaded");
  EXPECT_FALSE(unpack_kernel("/no/such/kernel", GetParam().compression));
  EXPECT_FALSE(unpack_kernel("/tmp", GetParam().compression));
}

TEST_P(CompressedKernelTest, ABeginningThatComesAgainAndAgainIsGivenUp) {
  std::string beginnings, beginning = packed(64).substr(0, 10);
  for (int times = 0; times < 200; ++times) beginnings += beginning;
  EXPECT_NE(why(beginnings + packed()), "it loaded");
}

TEST_P(CompressedKernelTest, DamageAnywhereNeverCrashes) {
  std::string whole = packed(2000);
  for (size_t at = 0; at < whole.size(); at += 1 + whole.size() / 100) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(~damaged[at]);
    why(damaged);
    why(std::string_view(whole).substr(0, at));
  }
}

INSTANTIATE_TEST_SUITE_P(All, CompressedKernelTest, ::testing::ValuesIn(kMethods));

TEST(RawKernel, LiesAtTwoGigabytesAndBeginsThere) {
  std::string path = ::testing::TempDir() + "kernel-XXXXXX";
  Fd fd(::mkstemp(path.data()));
  ASSERT_TRUE(write_full(fd.get(), std::as_bytes(std::span("code"))));
  std::array large{GuestMemory::Range{{0}, (2ull << 30) + (1 << 20)}}, small{GuestMemory::Range{{0}, 1 << 20}};
  auto memory = GuestMemory::create(large).value();
  auto kernel = load_kernel(path, memory, FileFormat::kRaw);
  ASSERT_TRUE(kernel) << kernel.error().message();
  EXPECT_EQ(kernel->entry.value, 0x80000000u);
  EXPECT_EQ(memory.load<uint8_t>({0x80000000}).value(), 'c');
  auto refused = load_kernel(path, GuestMemory::create(small).value(), FileFormat::kRaw);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("give it more memory"));
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace cloche::boot
