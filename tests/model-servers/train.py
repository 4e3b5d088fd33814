"""Trains two small models and saves them for MLServer and for MLflow into FOLDER; prints what they say themselves of the rows on
standard input, [[order_count, total_spent, click_rate], …]: {"sklearn": [p, …], "xgboost": [p, …]}."""

import json
import pathlib
import sys

import joblib
import mlflow
import numpy as np
import pandas as pd
import xgboost
from sklearn.linear_model import LogisticRegression

NAMES = ["order_count", "total_spent", "click_rate"]


class Probabilities(mlflow.pyfunc.PythonModel):
    def __init__(self, model):
        self.model = model

    def predict(self, context, model_input, params=None):
        return self.model.predict_proba(model_input)


def save_for_mlserver(folder, name, implementation, file):
    datatypes = ["INT64", "FP64", "FP64"]
    (folder / "model-settings.json").write_text(
        json.dumps(
            {
                "name": name,
                "implementation": implementation,
                "parameters": {"uri": f"./{file}", "version": "v3"},
                "inputs": [{"name": n, "datatype": d, "shape": [-1, 1]} for n, d in zip(NAMES, datatypes, strict=True)],
            }
        )
    )


def main():
    folder, rows = pathlib.Path(sys.argv[1]), pd.DataFrame(json.load(sys.stdin), columns=NAMES)
    rng = np.random.default_rng(7)
    x = pd.DataFrame(
        {"order_count": rng.integers(0, 9, 400), "total_spent": rng.random(400) * 500, "click_rate": rng.random(400)}
    )
    y = (x.order_count + 6 * x.click_rate + x.total_spent / 100 + rng.normal(0, 1, 400) < 9).astype(int)
    by_sklearn = LogisticRegression(max_iter=1000).fit(x, y)
    by_xgboost = xgboost.XGBClassifier(n_estimators=10, max_depth=3, n_jobs=1).fit(x, y)
    for name in ("churn-sklearn", "churn-xgboost"):
        (folder / "mlserver" / name).mkdir(parents=True)
    joblib.dump(by_sklearn, folder / "mlserver/churn-sklearn/model.joblib")
    save_for_mlserver(
        folder / "mlserver/churn-sklearn", "churn-sklearn", "mlserver_sklearn.SKLearnModel", "model.joblib"
    )
    by_xgboost.save_model(folder / "mlserver/churn-xgboost/model.json")
    save_for_mlserver(folder / "mlserver/churn-xgboost", "churn-xgboost", "mlserver_xgboost.XGBoostModel", "model.json")
    mlflow.pyfunc.save_model(folder / "mlflow", python_model=Probabilities(by_sklearn), pip_requirements=[])
    said = {"sklearn": by_sklearn, "xgboost": by_xgboost}
    print(json.dumps({name: model.predict_proba(rows)[:, 1].tolist() for name, model in said.items()}))


main()
