"""What of each class is compared with diffusers' class of the same name."""

from typing import Any

from engine.schedulers.tables import SPACINGS

Settings = dict[str, Any]

SHAPED: dict[str, dict[str, Any]] = {
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
}
OPTIONS: dict[str, dict[str, Settings]] = {
    "DDIMScheduler": {
        "default": {},
        "unclipped": {"clip_sample": False},
        "alpha_0": {"clip_sample": False, "set_alpha_to_one": False},
        "thresholding": {"thresholding": True, "sample_max_value": 2.0},
        "range": {"clip_sample_range": 0.7},
        "zero_snr": {"rescale_betas_zero_snr": True},
    },
    "DDPMScheduler": {
        "default": {},
        "unclipped": {"clip_sample": False},
        "thresholding": {"thresholding": True, "sample_max_value": 2.0},
        "range": {"clip_sample_range": 0.7},
        "zero_snr": {"rescale_betas_zero_snr": True},
        "small_log": {"variance_type": "fixed_small_log"},
        "large": {"variance_type": "fixed_large", "clip_sample": False},
        "learned": {"variance_type": "learned"},
        "learned_range": {"variance_type": "learned_range"},
    },
    "EulerDiscreteScheduler": {
        "default": {},
        **SHAPED,
        "karras_ends": {"use_karras_sigmas": True, "sigma_min": 0.1, "sigma_max": 10.0},
        "log_linear": {"interpolation_type": "log_linear"},
        **{
            f"log_linear_{name}": {"interpolation_type": "log_linear"} | shape
            for name, shape in SHAPED.items()
        },
        "sigma_min": {"final_sigmas_type": "sigma_min"},
        "continuous": {"timestep_type": "continuous"},
    },
    "PNDMScheduler": {
        "plms": {"skip_prk_steps": True},
        "alpha_1": {"skip_prk_steps": True, "set_alpha_to_one": True},
        "runge_kutta": {},
    },
    "EulerAncestralDiscreteScheduler": {
        "default": {},
        "zero_snr": {"rescale_betas_zero_snr": True},
    },
    "HeunDiscreteScheduler": {
        "default": {},
        **SHAPED,
        "clip": {"clip_sample": True, "clip_sample_range": 0.7},
        "exp": {"beta_schedule": "exp"},
    },
    "LMSDiscreteScheduler": {
        "default": {},
        **SHAPED,
    },
    "KDPM2DiscreteScheduler": {
        "default": {},
        **SHAPED,
    },
    "KDPM2AncestralDiscreteScheduler": {
        "default": {},
        **SHAPED,
        "linear": {"beta_schedule": "linear"},
    },
    "DPMSolverSDEScheduler": {
        "default": {},
        **SHAPED,
    },
    "IPNDMScheduler": {
        "default": {},
        "trained_betas": {"trained_betas": [0.9, 0.7, 0.4, 0.2, 0.1, 0.0]},
    },
    "EDMEulerScheduler": {
        "default": {},
        "exponential": {"sigma_schedule": "exponential"},
        "sigma_min": {"final_sigmas_type": "sigma_min"},
        "ends": {"sigma_min": 0.1, "sigma_max": 20.0, "sigma_data": 1.2, "rho": 5.0},
    },
    "EDMDPMSolverMultistepScheduler": {
        "default": {},
        "exponential": {"sigma_schedule": "exponential"},
        "sigma_min": {"final_sigmas_type": "sigma_min"},
        "ends": {"sigma_min": 0.1, "sigma_max": 20.0, "sigma_data": 1.2, "rho": 5.0},
        "first": {"solver_order": 1},
        "heun": {"solver_type": "heun"},
        "third": {"solver_order": 3},
        "third_heun": {"solver_order": 3, "solver_type": "heun"},
        "sde": {"algorithm_type": "sde-dpmsolver++"},
        "sde_heun": {"algorithm_type": "sde-dpmsolver++", "solver_type": "heun"},
        "sde_third": {"algorithm_type": "sde-dpmsolver++", "solver_order": 3},
        "higher_final": {"lower_order_final": False, "final_sigmas_type": "sigma_min"},
        "euler_final": {"euler_at_final": True, "final_sigmas_type": "sigma_min"},
        "thresholding": {"thresholding": True, "sample_max_value": 2.0},
    },
    "CMStochasticIterativeScheduler": {
        "default": {},
        "unclipped": {"clip_denoised": False},
        "ends": {"sigma_min": 0.1, "sigma_max": 20.0, "sigma_data": 1.2, "rho": 5.0},
        "many": {"num_train_timesteps": 151, "s_noise": 0.9},
    },
    "DPMSolverMultistepScheduler": {
        "default": {},
        "first": {"solver_order": 1},
        "third": {"solver_order": 3},
        "heun": {"solver_type": "heun"},
        "sde": {"algorithm_type": "sde-dpmsolver++"},
        "sde_heun": {"algorithm_type": "sde-dpmsolver++", "solver_type": "heun"},
        "noise": {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"},
        "noise_heun": {
            "algorithm_type": "dpmsolver",
            "final_sigmas_type": "sigma_min",
            "solver_type": "heun",
        },
        "noise_third": {
            "algorithm_type": "dpmsolver",
            "final_sigmas_type": "sigma_min",
            "solver_order": 3,
        },
        "noise_sde": {"algorithm_type": "sde-dpmsolver", "final_sigmas_type": "sigma_min"},
        "noise_sde_heun": {
            "algorithm_type": "sde-dpmsolver",
            "solver_type": "heun",
            "final_sigmas_type": "sigma_min",
        },
        "higher_final": {
            "solver_order": 3,
            "lower_order_final": False,
            "final_sigmas_type": "sigma_min",
        },
        "euler_final": {
            "euler_at_final": True,
            "lower_order_final": False,
            "final_sigmas_type": "sigma_min",
        },
        "clipped": {"lambda_min_clipped": -1.0},
        "learned": {"variance_type": "learned_range"},
        "zero_snr": {"rescale_betas_zero_snr": True},
        "thresholding": {"thresholding": True, "sample_max_value": 2.0},
        "noise_thresholding": {
            "algorithm_type": "dpmsolver",
            "final_sigmas_type": "sigma_min",
            "thresholding": True,
            "sample_max_value": 2.0,
        },
        **SHAPED,
        "lu": {"use_lu_lambdas": True},
        "karras_end": {"use_karras_sigmas": True, "final_sigmas_type": "sigma_min"},
        "cosine_karras": {"beta_schedule": "squaredcos_cap_v2", "use_karras_sigmas": True},
        "cosine_lu": {"beta_schedule": "squaredcos_cap_v2", "use_lu_lambdas": True},
        "flow": {"use_flow_sigmas": True},
        "flow_shift": {"use_flow_sigmas": True, "flow_shift": 3.0, "solver_order": 3},
        "flow_sde": {"use_flow_sigmas": True, "algorithm_type": "sde-dpmsolver++"},
    },
    "DPMSolverSinglestepScheduler": {
        "default": {},
        "first": {"solver_order": 1},
        "third": {"solver_order": 3},
        "heun": {"solver_type": "heun"},
        "third_heun": {"solver_order": 3, "solver_type": "heun"},
        "end": {"final_sigmas_type": "sigma_min", "lower_order_final": True},
        "third_end": {
            "final_sigmas_type": "sigma_min",
            "solver_order": 3,
            "lower_order_final": True,
        },
        "sde": {"algorithm_type": "sde-dpmsolver++"},
        "sde_heun": {"algorithm_type": "sde-dpmsolver++", "solver_type": "heun"},
        "sde_third": {"algorithm_type": "sde-dpmsolver++", "solver_order": 3},
        "noise": {
            "algorithm_type": "dpmsolver",
            "final_sigmas_type": "sigma_min",
            "lower_order_final": True,
        },
        "noise_heun": {
            "algorithm_type": "dpmsolver",
            "final_sigmas_type": "sigma_min",
            "lower_order_final": True,
            "solver_type": "heun",
        },
        "noise_third": {
            "algorithm_type": "dpmsolver",
            "final_sigmas_type": "sigma_min",
            "lower_order_final": True,
            "solver_order": 3,
        },
        "noise_third_heun": {
            "algorithm_type": "dpmsolver",
            "final_sigmas_type": "sigma_min",
            "lower_order_final": True,
            "solver_order": 3,
            "solver_type": "heun",
        },
        "clipped": {"lambda_min_clipped": -1.0},
        "learned": {"variance_type": "learned_range"},
        "thresholding": {"thresholding": True, "sample_max_value": 2.0},
        **SHAPED,
        "flow": {"use_flow_sigmas": True},
        "flow_shift": {"use_flow_sigmas": True, "flow_shift": 3.0, "solver_order": 3},
    },
    "DEISMultistepScheduler": {
        "first": {"solver_order": 1},
        "second": {},
        "third": {"solver_order": 3},
        "higher_final": {"solver_order": 3, "lower_order_final": False},
        "thresholding": {"thresholding": True, "sample_max_value": 2.0},
        **SHAPED,
        "flow": {"use_flow_sigmas": True},
        "flow_shift": {"use_flow_sigmas": True, "flow_shift": 3.0, "solver_order": 3},
    },
    "UniPCMultistepScheduler": {
        "default": {},
        "first": {"solver_order": 1},
        "third": {"solver_order": 3},
        "fourth": {"solver_order": 4},
        "bh1": {"solver_type": "bh1", "final_sigmas_type": "sigma_min"},
        "bh1_third": {"solver_type": "bh1", "solver_order": 3, "final_sigmas_type": "sigma_min"},
        "higher_final": {
            "solver_order": 3,
            "lower_order_final": False,
            "final_sigmas_type": "sigma_min",
        },
        "noise": {"predict_x0": False, "final_sigmas_type": "sigma_min"},
        "noise_bh1": {"predict_x0": False, "solver_type": "bh1", "final_sigmas_type": "sigma_min"},
        "noise_third": {"predict_x0": False, "solver_order": 3, "final_sigmas_type": "sigma_min"},
        "uncorrected": {"disable_corrector": [0, 1, 2, 7]},
        "zero_snr": {"rescale_betas_zero_snr": True},
        "thresholding": {"thresholding": True, "sample_max_value": 2.0},
        **SHAPED,
        "karras_ends": {
            "use_karras_sigmas": True,
            "sigma_min": 0.1,
            "sigma_max": 10.0,
            "final_sigmas_type": "sigma_min",
        },
        "flow": {"use_flow_sigmas": True},
        "flow_shift": {"use_flow_sigmas": True, "flow_shift": 3.0, "solver_order": 3},
        "flow_end": {"use_flow_sigmas": True, "final_sigmas_type": "sigma_min"},
        "flow_karras": {"use_flow_sigmas": True, "use_karras_sigmas": True},
    },
    "SASolverScheduler": {
        "default": {},
        "first": {"predictor_order": 1, "corrector_order": 1},
        "third": {"predictor_order": 3, "corrector_order": 3},
        "fourth": {"predictor_order": 4, "corrector_order": 4},
        "first_fourth": {"predictor_order": 1, "corrector_order": 4},
        "higher_final": {
            "predictor_order": 3,
            "corrector_order": 3,
            "lower_order_final": False,
        },
        "noise": {"algorithm_type": "noise_prediction"},
        "noise_third": {
            "algorithm_type": "noise_prediction",
            "predictor_order": 3,
            "corrector_order": 4,
        },
        "clipped": {"lambda_min_clipped": -1.0},
        "thresholding": {"thresholding": True, "sample_max_value": 2.0},
        **SHAPED,
        "flow": {"use_flow_sigmas": True},
        "flow_shift": {"use_flow_sigmas": True, "flow_shift": 3.0, "predictor_order": 3},
    },
    "DDIMInverseScheduler": {
        "default": {},
        "alpha_0": {"clip_sample": False, "set_alpha_to_one": False},
        "range": {"clip_sample_range": 0.7},
        "zero_snr": {"rescale_betas_zero_snr": True},
    },
    "LCMScheduler": {
        "default": {},
        "clipped": {"clip_sample": True},
        "thresholding": {"thresholding": True, "sample_max_value": 2.0},
        "many": {"original_inference_steps": 100},
        "scaling": {"timestep_scaling": 0.01},
    },
    "TCDScheduler": {
        "default": {},
        "clipped": {"clip_sample": True},
        "many": {"original_inference_steps": 100},
    },
    "FlowMatchEulerDiscreteScheduler": {
        "default": {},
        "shift": {"shift": 3.0},
        "inverted": {"shift": 3.0, "invert_sigmas": True},
        "stochastic": {"stochastic_sampling": True},
        **SHAPED,
    },
    "FlowMatchHeunDiscreteScheduler": {
        "default": {},
        "shift": {"shift": 3.0},
    },
}
"""Class -> name -> settings: whole trajectories over all spacings, predictions and steps."""

FINISHED = {"lower_order_final": True, "final_sigmas_type": "sigma_min"}
CROSSED: dict[str, tuple[tuple[Settings, ...], ...]] = {
    "DPMSolverMultistepScheduler": (
        tuple({"solver_order": order} for order in (1, 2, 3)),
        ({"solver_type": "midpoint"}, {"solver_type": "heun"}),
        (
            {"algorithm_type": "dpmsolver++"},
            {"algorithm_type": "sde-dpmsolver++"},
            {"algorithm_type": "dpmsolver", **FINISHED},
            {"algorithm_type": "sde-dpmsolver", **FINISHED},
        ),
        ({}, {"lower_order_final": False}, {"euler_at_final": True}),
    ),
    "DPMSolverSinglestepScheduler": (
        tuple({"solver_order": order} for order in (1, 2, 3)),
        ({"solver_type": "midpoint"}, {"solver_type": "heun"}),
        (
            {"algorithm_type": "dpmsolver++"},
            {"algorithm_type": "sde-dpmsolver++"},
            {"algorithm_type": "dpmsolver", **FINISHED},
        ),
    ),
    "DEISMultistepScheduler": (
        tuple({"solver_order": order} for order in (1, 2, 3)),
        ({}, {"lower_order_final": False}),
    ),
    "UniPCMultistepScheduler": (
        tuple({"solver_order": order} for order in (1, 2, 3, 4)),
        ({}, {"solver_type": "bh1", **FINISHED}, {"predict_x0": False, **FINISHED}),
        ({}, {"disable_corrector": [0, 2]}),
    ),
    "SASolverScheduler": (
        tuple({"predictor_order": order} for order in (1, 2, 3)),
        tuple({"corrector_order": order} for order in (1, 2, 3, 4)),
        ({}, {"algorithm_type": "noise_prediction"}),
    ),
}
"""Multistep class -> groups of settings of which every combination is compared."""

STEP_OPTIONS: dict[str, dict[str, Settings]] = {
    "DDIMScheduler": {
        "eta": {"eta": 0.6},
        "ddpm": {"eta": 1.0},
        "reclipped": {"use_clipped_model_output": True},
    },
    "DDPMScheduler": {"generator": {}},
    "EulerDiscreteScheduler": {
        "churn": {"s_churn": 4.0},
        "churn_between": {"s_churn": 40.0, "s_tmin": 0.5, "s_tmax": 5.0, "s_noise": 1.01},
    },
    "EulerAncestralDiscreteScheduler": {"generator": {}},
    "LMSDiscreteScheduler": {"second": {"order": 2}, "fifth": {"order": 5}},
    "KDPM2AncestralDiscreteScheduler": {"generator": {}},
    "DPMSolverSDEScheduler": {"s_noise": {"s_noise": 0.8}},
    "EDMEulerScheduler": {
        "churn": {"s_churn": 4.0},
        "churn_between": {"s_churn": 40.0, "s_tmin": 0.5, "s_tmax": 5.0, "s_noise": 1.01},
    },
    "CMStochasticIterativeScheduler": {"generator": {}},
    "LCMScheduler": {"generator": {}},
    "TCDScheduler": {"none": {"eta": 0.0}, "half": {"eta": 0.5}, "all": {"eta": 1.0}},
    "SASolverScheduler": {"generator": {}},
    "FlowMatchHeunDiscreteScheduler": {
        "churn": {"s_churn": 4.0},
        "churn_between": {"s_churn": 40.0, "s_tmin": 0.1, "s_tmax": 0.7, "s_noise": 1.01},
    },
}
"""Class -> name -> options of `step`, with a generator."""

PLAIN: dict[str, Settings] = {
    "PNDMScheduler": {"skip_prk_steps": True},
}
"""Class -> settings wherever one configuration stands for the class: those that run in any way."""

GIVEN: dict[str, Settings] = {
    "DDIMScheduler": {"clip_sample": False, "rescale_betas_zero_snr": True},
    "DDPMScheduler": {"variance_type": "fixed_large", "timestep_spacing": "linspace"},
    "EulerDiscreteScheduler": {"use_karras_sigmas": True, "timestep_spacing": "trailing"},
    "PNDMScheduler": {"skip_prk_steps": True, "set_alpha_to_one": True},
    "HeunDiscreteScheduler": {"use_exponential_sigmas": True, "clip_sample": True},
    "DPMSolverSDEScheduler": {"use_karras_sigmas": True},
    "EDMEulerScheduler": {"sigma_max": 60.0, "final_sigmas_type": "sigma_min"},
    "EDMDPMSolverMultistepScheduler": {"solver_order": 3, "euler_at_final": True},
    "CMStochasticIterativeScheduler": {"clip_denoised": False, "num_train_timesteps": 50},
    "DPMSolverMultistepScheduler": {"solver_order": 3, "use_lu_lambdas": True},
    "DPMSolverSinglestepScheduler": {"solver_order": 3, "lower_order_final": True},
    "DEISMultistepScheduler": {"solver_order": 3, "use_karras_sigmas": True},
    "UniPCMultistepScheduler": {"predict_x0": False, "final_sigmas_type": "sigma_min"},
    "SASolverScheduler": {"predictor_order": 3, "lower_order_final": False},
    "LCMScheduler": {"original_inference_steps": 100},
    "TCDScheduler": {"original_inference_steps": 100},
    "FlowMatchEulerDiscreteScheduler": {"shift": 3.0, "use_karras_sigmas": True},
    "FlowMatchHeunDiscreteScheduler": {"shift": 3.0},
}
"""Class -> settings that are given when configurations are saved and handed on."""

STOCHASTIC: dict[str, Settings] = {
    "DDIMScheduler": {"eta": 1.0},
    "DDPMScheduler": {},
    "EulerDiscreteScheduler": {"s_churn": 5.0},
    "EulerAncestralDiscreteScheduler": {},
    "KDPM2AncestralDiscreteScheduler": {},
    "DPMSolverSDEScheduler": {},
    "EDMEulerScheduler": {"s_churn": 5.0},
    "CMStochasticIterativeScheduler": {},
    "SASolverScheduler": {},
    "LCMScheduler": {},
    "TCDScheduler": {},
}
"""Class -> options of `step` with which it draws noise."""

PREDICTIONS: dict[str, tuple[str, ...]] = {
    "PNDMScheduler": ("epsilon", "v_prediction"),
    "EulerAncestralDiscreteScheduler": ("epsilon", "v_prediction"),
    "KDPM2DiscreteScheduler": ("epsilon", "v_prediction"),
    "KDPM2AncestralDiscreteScheduler": ("epsilon", "v_prediction"),
    "DPMSolverSDEScheduler": ("epsilon", "v_prediction"),
    "IPNDMScheduler": ("v_prediction",),
    "EDMEulerScheduler": ("epsilon", "v_prediction"),
    "EDMDPMSolverMultistepScheduler": ("epsilon", "v_prediction"),
    "CMStochasticIterativeScheduler": ("sample",),
    "FlowMatchEulerDiscreteScheduler": ("flow_prediction",),
    "FlowMatchHeunDiscreteScheduler": ("flow_prediction",),
}
"""Class -> prediction types that diffusers' class takes, where they are not the usual three."""

FLOAT64: list[tuple[str, Settings]] = [
    ("DDIMScheduler", {}),
    ("DDPMScheduler", {}),
    ("DDPMScheduler", {"variance_type": "learned_range"}),
    ("EulerDiscreteScheduler", {}),
    ("EulerDiscreteScheduler", {"rescale_betas_zero_snr": True}),
    ("PNDMScheduler", {"skip_prk_steps": True}),
    ("EulerAncestralDiscreteScheduler", {}),
    ("EulerAncestralDiscreteScheduler", {"rescale_betas_zero_snr": True}),
    ("HeunDiscreteScheduler", {}),
    ("LMSDiscreteScheduler", {}),
    ("KDPM2DiscreteScheduler", {}),
    ("DPMSolverSDEScheduler", {}),
    ("DPMSolverMultistepScheduler", {}),
    ("DPMSolverMultistepScheduler", {"solver_order": 3, "rescale_betas_zero_snr": True}),
    ("DEISMultistepScheduler", {"solver_order": 3}),
    ("UniPCMultistepScheduler", {"solver_order": 3}),
    ("UniPCMultistepScheduler", {"rescale_betas_zero_snr": True}),
    ("SASolverScheduler", {"predictor_order": 3}),
]
"""Class and settings, for tables whose sigma goes to 157 and beyond."""

CUSTOM: list[tuple[str, Settings]] = [
    ("DDPMScheduler", {"timesteps": [999, 850, 736, 24]}),
    ("EulerDiscreteScheduler", {"timesteps": [999, 850, 736, 24]}),
    ("EulerDiscreteScheduler", {"sigmas": [14.615, 6.475, 0.963, 0.152, 0.0]}),
    ("HeunDiscreteScheduler", {"timesteps": [999, 850, 736, 24]}),
    ("CMStochasticIterativeScheduler", {"timesteps": [30, 22, 11, 0]}),
    ("DPMSolverMultistepScheduler", {"timesteps": [999, 850, 736, 24]}),
    ("DPMSolverSinglestepScheduler", {"timesteps": [999, 850, 736, 24]}),
    ("LCMScheduler", {"timesteps": [999, 759, 499, 19]}),
    ("TCDScheduler", {"timesteps": [999, 759, 499, 19]}),
    ("FlowMatchEulerDiscreteScheduler", {"timesteps": [999, 850, 736, 24]}),
    ("FlowMatchEulerDiscreteScheduler", {"sigmas": [1.0, 0.75, 0.5, 0.25]}),
]
"""Class and arguments of `set_timesteps`, for classes of diffusers that take them."""

BAD_SCHEDULES: list[tuple[str, Settings, str]] = [
    ("DDIMScheduler", {"num_inference_steps": 0}, "is 0; choose 1 to 1000"),
    ("DDIMScheduler", {"num_inference_steps": 1001}, "is 1001; choose 1 to 1000"),
    ("DDIMScheduler", {"num_inference_steps": 10.0}, r"is 10\.0; choose 1 to 1000, a whole number"),
    ("DDIMScheduler", {"num_inference_steps": True}, "is True; choose 1 to 1000"),
    ("DDPMScheduler", {"timesteps": ["a"]}, r"timesteps are \['a'\]; give 1 or more, descending"),
    ("DDPMScheduler", {"timesteps": 5}, "timesteps are 5; give 1 or more, descending"),
    ("EulerDiscreteScheduler", {"sigmas": [[1.0], [2.0, 3.0]]}, "give 2 or more, descending"),
    ("PNDMScheduler", {"num_inference_steps": 3}, "is 3; choose 4 or more"),
    ("DDPMScheduler", {"timesteps": [1000, 3]}, "from 999 at most"),
    ("EulerDiscreteScheduler", {"sigmas": [float("inf"), 1.0, 0.0]}, "descending"),
    ("EulerDiscreteScheduler", {"timesteps": [float("nan")]}, "descending"),
    ("EulerDiscreteScheduler", {"timesteps": [5000, 10]}, "from 999 at most"),
    ("FlowMatchEulerDiscreteScheduler", {"sigmas": [1.0, 0.5, 0.0]}, "to 1e-06 at least"),
    ("FlowMatchHeunDiscreteScheduler", {"sigmas": [14.6, 5.0, 0.1]}, "from 1.0 at most"),
    ("DDPMScheduler", {"timesteps": [9, 2.5]}, "whole numbers below 1000"),
    ("DDPMScheduler", {"timesteps": [9, 9]}, "descending"),
    ("EulerDiscreteScheduler", {}, "exactly one"),
    ("EulerDiscreteScheduler", {"num_inference_steps": 3, "sigmas": [1.0, 0.0]}, "exactly one"),
    ("EulerDiscreteScheduler", {"timesteps": [3, 9]}, r"timesteps are \[3, 9\]"),
    ("EulerDiscreteScheduler", {"sigmas": [3.0, 9.0, 0.0]}, "descending"),
    ("EulerDiscreteScheduler", {"sigmas": [float("nan"), 0.0]}, "descending"),
    ("HeunDiscreteScheduler", {"timesteps": [9, 9]}, "descending"),
    ("CMStochasticIterativeScheduler", {"num_inference_steps": 41}, "is 41; choose 1 to 40"),
    ("CMStochasticIterativeScheduler", {"timesteps": [40, 3]}, "whole numbers below 40"),
    ("CMStochasticIterativeScheduler", {"timesteps": [9, 2.5]}, "whole numbers below 40"),
    ("EDMEulerScheduler", {"sigmas": [3.0, 9.0, 0.0]}, "descending"),
    ("LCMScheduler", {"num_inference_steps": 51}, r"is 51; choose 1 to 50"),
    ("LCMScheduler", {"timesteps": [9, 2.5]}, "whole numbers below 1000"),
    ("DDIMInverseScheduler", {"timesteps": [9, 3]}, "goes upwards"),
    (
        "DPMSolverMultistepScheduler",
        {"num_inference_steps": 5, "nu": 1.0},
        "set_timesteps 'nu'. Nea",
    ),
]
"""Class, arguments of `set_timesteps` that it refuses, and what it says."""

BEFORE: dict[str, int | None] = {
    "DDIMScheduler": 1000,
    "DDPMScheduler": None,
    "EulerDiscreteScheduler": None,
    "PNDMScheduler": 1000,
    "EulerAncestralDiscreteScheduler": None,
    "HeunDiscreteScheduler": None,
    "LMSDiscreteScheduler": None,
}
"""Class -> what diffusers' must set before a step from one training timestep to the next."""

OWN: tuple[str, ...] = (
    "EDMEulerScheduler",
    "EDMDPMSolverMultistepScheduler",
    "DDIMInverseScheduler",  # the model is told the end of a step, not where the sample is
)
"""Classes whose velocity is not that of samples of unit variance."""

STARTS: dict[str, tuple[int, ...]] = {
    "IPNDMScheduler": (1, 2, 5, 14),  # there is no signal before
    "FlowMatchEulerDiscreteScheduler": (1, 2, 5, 14),
    "FlowMatchHeunDiscreteScheduler": (1, 2, 5, 14),
    "LMSDiscreteScheduler": (0,),  # as in diffusers, it moves too far or too little after others
}
"""Class -> starts from which a model that knows the picture leads there, where not all do."""

BACKWARDS = (
    *("DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "DEISMultistepScheduler"),
    *("UniPCMultistepScheduler", "SASolverScheduler"),
)
"""Classes of diffusers whose levels ascend while timesteps descend, before `set_timesteps`."""

SPACED: dict[str, tuple[str, ...]] = {
    "DDIMInverseScheduler": ("leading", "trailing"),
    "LCMScheduler": ("leading",),
    "TCDScheduler": ("leading",),
}
"""Class -> the spacings that diffusers' takes or heeds, where they are not all."""

TIMED = (
    *("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"),
    *("use_lu_lambdas", "use_flow_sigmas"),
)
"""Settings of multistep classes that make their own timesteps, whatever the spacing."""

UPWARDS = "DDIMInverseScheduler"
"""The class whose runs begin with a picture, never in mid-schedule."""

ROUGH: dict[str, str] = {
    r"EulerAncestral\w+-zero_snr-v_prediction": "x - sigma * eps with a sigma of 4096",
    r"DD[IP]M\w+-zero_snr-epsilon-.*-(20|50)$": "x - sigma * eps with a huge sigma",
    r"EulerDiscrete\w+-log_linear-.*-2$": "a step over all levels: x - 14 * eps",
    r"Heun\w+-.*-2$|Heun\w+-exp-.*-[15]$": "the mean slope of a step over most levels, times sigma",
    r"LMS\w+-(karras|exponential)-.*-50$|LMS\w+-beta-.*-5$": "weights of both signs",
    r"KDPM2\w+-.*-2$|KDPM2Ancestral\w+-beta-.*-5$": "the squares of sigma_down",
    r"DPMSolverSDE\w+-.*-50$": "levels there are exp(-t) of t = -log(sigma)",
    r"EDMEuler\w+-.*-[12]$": "x - 80 * eps",
    r"CMStochastic\w+-ends": "sigma_min^2 - sigma_min^2 is not 0 there, and its root adds noise",
    r"(DPMSolver|UniPC)\w+-noise\w*-.*-[125]$": "x - sigma * eps of a step over most levels",
    r"DPMSolverMultistep\w+-noise\w*-.*-50$": "differences of lambda",
    r"DEIS\w+-.*-(1|2|5|50)$|DEIS\w+-(third|higher_final|flow)": "logarithms of small steps",
    r"UniPC\w+-(fourth|higher_final)-.*-(20|50)$": "differences of lambda, to the third power",
    r"SASolver\w+-(\w*third|\w*fourth|higher_final|noise)-": "differences of lambda, to the third",
    r"SASolver\w+-.*-50$": "differences of lambda, to the third",
    r"DDIMInverse\w+-alpha_0|DDIMInverse\w+-.*-50$": "eps of x near the picture, times 1 / sigma",
    r"FlowMatchHeun\w+-": "1 - s of s near 1",
}
"""Class-option-prediction-spacing-steps -> what float32 rounds: these are compared in float64."""

ELSEWHERE: dict[str, str] = {
    r"EDM\w+-exponential-.*-1$": "its one level is sigma_min, for noise of sigma_max",
    r"EDMEuler\w+-sigma_min-.*-1$": "it ends where it begins, at sigma_max",
    r"EDMDPMSolver\w+-sde_third-.*-(5|20|50)$": "it has no such step, and fails",
}
"""As in `ROUGH` -> what is wrong in diffusers, and not followed."""

LEAST: dict[str, int] = {"IPNDMScheduler": 2}
"""Class -> the fewest steps that say something: one of IPNDM gives 0, whatever the model says."""

CLASSES = list(OPTIONS)


def predictions(cls: str, settings: Settings) -> tuple[str, ...]:
    """The prediction types to compare with some settings."""
    if settings.get("use_flow_sigmas"):
        return ("flow_prediction", "epsilon", "sample")
    if settings.get("variance_type") and cls != "DDPMScheduler":
        return ("epsilon",)  # diffusers' others leave the variance in
    if cls == UPWARDS and settings.get("set_alpha_to_one", True):
        return ("epsilon", "v_prediction")  # without noise to start from, x0 tells nothing of eps
    return PREDICTIONS.get(cls, ("epsilon", "sample", "v_prediction"))


def spacings(cls: str, keys: frozenset[str], settings: Settings) -> tuple[str, ...]:
    """The spacings of a class with these configuration keys; "" where it has no such setting."""
    if "use_flow_sigmas" in keys and any(settings.get(flag) for flag in TIMED):
        return ("linspace",)
    return SPACED.get(cls, tuple(SPACINGS) if "timestep_spacing" in keys else ("",))
