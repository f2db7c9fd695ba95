"""Machines whose peak and bandwidth their makers document, for `roofline --machine`.

Peaks are theoretical, as the source prints them or as it says they are computed; kernels reach
some part of them. FLOP/s count 2 for each multiply-accumulate, without sparsity.
"""

from collections.abc import Mapping
from typing import NamedTuple

from mobilenet_lab.errors import LabError, UnknownNameError
from mobilenet_lab.rooflines import Machine, machine


class Device(NamedTuple):
    """A machine as documented."""

    title: str
    peaks: Mapping[str, str]
    """Of each dtype that is documented."""
    bandwidth: str
    unit: str
    """What computes at these peaks."""
    source: str

    def machine(self, dtype: str = "float32") -> Machine:
        """As the roofline model takes it.

        Raises:
            LabError: no peak is documented for that dtype.
        """
        if dtype not in self.peaks:
            known = ", ".join(self.peaks)
            raise LabError(
                f"{self.title}: the peak in {dtype} is not documented here, only {known}"
            )
        return machine(self.peaks[dtype], self.bandwidth, self.title)


CUDA = "CUDA cores; float16 and bfloat16: tensor cores, dense"
DEVICES = {
    "h100_sxm": Device(
        "NVIDIA H100 SXM 80 GB",
        {"float32": "67TFLOPS", "float64": "34TFLOPS"},
        "3350GB/s",
        "CUDA cores, no tensor cores",
        "NVIDIA H100 Tensor Core GPU datasheet: FP32, FP64, GPU memory bandwidth",
    ),
    "a100_sxm_40gb": Device(
        "NVIDIA A100 SXM 40 GB",
        {
            "float32": "19.5TFLOPS",
            "float64": "9.7TFLOPS",
            "float16": "312TFLOPS",
            "bfloat16": "312TFLOPS",
        },
        "1555GB/s",
        CUDA,
        "NVIDIA A100 Tensor Core GPU datasheet: FP32, FP64, FP16 and BFLOAT16 Tensor Core, GPU "
        "memory bandwidth",
    ),
    "v100_sxm2": Device(
        "NVIDIA V100 SXM2",
        {"float32": "15.7TFLOPS", "float64": "7.8TFLOPS", "float16": "125TFLOPS"},
        "900GB/s",
        CUDA,
        "NVIDIA V100 Tensor Core GPU datasheet: single-, double-precision and deep learning "
        "performance, memory bandwidth",
    ),
    "rtx_3090": Device(
        "NVIDIA GeForce RTX 3090",
        {"float32": "35.6TFLOPS"},
        "936GB/s",
        "CUDA cores, no tensor cores",
        "NVIDIA Ampere GA102 GPU Architecture whitepaper: peak FP32 (non-tensor), memory bandwidth",
    ),
    "jetson_nano": Device(
        "NVIDIA Jetson Nano",
        {"float16": "472GFLOPS", "float32": "236GFLOPS"},
        "25.6GB/s",
        "the GPU's 128 CUDA cores",
        "NVIDIA Jetson Nano datasheet: 472 GFLOPS (FP16), 25.6 GB/s; float32 is half of it",
    ),
    "raspberry_pi_4": Device(
        "Raspberry Pi 4 Model B",
        {"float32": "48GFLOPS"},
        "12.8GB/s",
        "4 cores",
        "Computed: 4 Cortex-A72 at 1.5 GHz x 8 FLOP a cycle (Arm Cortex-A72 Software Optimization "
        "Guide: one 128-bit FMA a cycle); LPDDR4-3200 x 32 bits (Raspberry Pi 4 product brief)",
    ),
    "raspberry_pi_5": Device(
        "Raspberry Pi 5",
        {"float32": "153.6GFLOPS"},
        "17.1GB/s",
        "4 cores",
        "Computed: 4 Cortex-A76 at 2.4 GHz x 16 FLOP a cycle (Arm Cortex-A76 Software Optimization "
        "Guide: two 128-bit FMAs a cycle); LPDDR4X-4267 x 32 bits (Raspberry Pi 5 product brief)",
    ),
    "core_i7_6700": Device(
        "Intel Core i7-6700, a desktop processor",
        {"float32": "435.2GFLOPS", "float64": "217.6GFLOPS"},
        "34.1GB/s",
        "4 cores, AVX2, at the base frequency",
        "Computed: 4 cores at 3.4 GHz x 32 FLOP a cycle (two 256-bit FMAs; Intel 64 and IA-32 "
        "Architectures Optimization Reference Manual); bandwidth as Intel's specification prints",
    ),
    "ryzen_9_5950x": Device(
        "AMD Ryzen 9 5950X, a desktop processor",
        {"float32": "1740.8GFLOPS", "float64": "870.4GFLOPS"},
        "51.2GB/s",
        "16 cores, AVX2, at the base frequency",
        "Computed: 16 cores at 3.4 GHz x 32 FLOP a cycle (two 256-bit FMAs; AMD Software "
        "Optimization Guide, family 19h); 2 channels of DDR4-3200 (AMD's specification)",
    ),
}


def device(name: str) -> Device:
    """The documented machine called `name`.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in DEVICES:
        raise UnknownNameError("machine", name, DEVICES)
    return DEVICES[name]
