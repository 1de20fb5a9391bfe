// Kernels of the hardware runs. Every kernel that waits has a time-out of its own and ends by itself.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

struct Region {  // a stretch of memory and the pattern it must hold; pattern.py computes the same bytes
    u64 address;
    u64 size;
    u64 src_offset;
    u64 seed;
};

__device__ __forceinline__ u64 now_ns() {
    u64 t;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
    return t;
}

__device__ __forceinline__ u32 word_at(u32 seed, u64 index) {
    u32 x = seed + (u32)index * 0x9E3779B1u;
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    return x ^ (x >> 16);
}

__device__ __forceinline__ u8 byte_at(u32 seed, u64 offset) {
    return (u8)(word_at(seed, offset >> 2) >> (8 * (offset & 3)));
}

// Words where address and source offset are both aligned, single bytes elsewhere and in the tail.
__device__ __forceinline__ u64 whole_words(const Region& r) {
    return ((r.address | r.src_offset) & 3) ? 0 : r.size >> 2;
}

extern "C" __global__ void write_regions(const Region* regions, u32 flip) {
    Region r = regions[blockIdx.y];
    u64 words = whole_words(r), first = blockIdx.x * (u64)blockDim.x + threadIdx.x, stride = gridDim.x * (u64)blockDim.x;
    for (u64 i = first; i < words; i += stride) ((u32*)r.address)[i] = word_at((u32)r.seed, (r.src_offset >> 2) + i) ^ flip;
    for (u64 i = 4 * words + first; i < r.size; i += stride)
        ((u8*)r.address)[i] = byte_at((u32)r.seed, r.src_offset + i) ^ (u8)flip;
}

// Lowest (region, offset) that differs, packed as region << 40 | offset; start with all ones.
extern "C" __global__ void compare_regions(const Region* regions, u64* first_wrong) {
    Region r = regions[blockIdx.y];
    u64 words = whole_words(r), first = blockIdx.x * (u64)blockDim.x + threadIdx.x, stride = gridDim.x * (u64)blockDim.x;
    u64 lowest = ~0ull;
    for (u64 i = first; i < words && lowest == ~0ull; i += stride) {
        u32 differing = ((const u32*)r.address)[i] ^ word_at((u32)r.seed, (r.src_offset >> 2) + i);
        if (differing) lowest = 4 * i + (__ffs(differing) - 1) / 8;
    }
    for (u64 i = 4 * words + first; i < r.size && lowest == ~0ull; i += stride)
        if (((const u8*)r.address)[i] != byte_at((u32)r.seed, r.src_offset + i)) lowest = i;
    if (lowest != ~0ull) atomicMin(first_wrong, (u64)blockIdx.y << 40 | lowest);
}

// Hold the stream until `count` words have reached `value`. out: {when it opened, 1 if by time-out}.
extern "C" __global__ void gate(const volatile u64* words, u32 count, u32 stride, u64 value, u64 timeout_ns, u64* out) {
    u64 start = now_ns(), late = 0;
    for (u32 i = 0; i < count; i++)
        while (!late && words[i * (u64)stride] < value) late = now_ns() - start > timeout_ns;
    out[0] = now_ns();
    out[1] = late;
}

extern "C" __global__ void signal(volatile u64* word, u64 value) {
    __threadfence_system();
    *word = value;
    __threadfence_system();
}

// Keep the stream busy for a time without touching memory. out: {begin, end}.
extern "C" __global__ void spin(u64 duration_ns, u64* out) {
    u64 start = now_ns();
    while (now_ns() - start < duration_ns) __nanosleep(100);
    out[0] = start;
    out[1] = now_ns();
}

// Answer a host's requests 1, 2, … with this GPU's clock.
extern "C" __global__ void answer_clock(const volatile u64* request, volatile u64* reply, u64 rounds, u64 timeout_ns) {
    u64 start = now_ns();
    for (u64 k = 1; k <= rounds; k++) {
        while (*request < k)
            if (now_ns() - start > timeout_ns) return;
        reply[1] = now_ns();
        __threadfence_system();
        reply[0] = k;
        __threadfence_system();
    }
}

// Stamp the moment at which the byte at each address changes. One thread a slice; `ready` is set when all have looked.
extern "C" __global__ void watch(
    const u64* addresses, u32 count, u64* stamps, u64 timeout_ns, u32* looked, volatile u64* ready) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const volatile u8* byte = (const volatile u8*)addresses[i];
    u8 before = *byte;
    stamps[i] = 0;
    u64 start = now_ns();
    __threadfence_system();
    if (atomicAdd(looked, 1) == count - 1) *ready = 1;
    while (now_ns() - start < timeout_ns) {
        if (*byte != before) {
            stamps[i] = now_ns();
            return;
        }
    }
}
